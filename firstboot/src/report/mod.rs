//! What firstboot tells a person: on the card, on the console, in the journal.

mod card;
mod date;
mod mask;
mod own_secrets;
mod text;
mod view;

pub use card::{STATUS_FILE, guess_dir, publish};
pub use date::date;
pub use mask::mask;
pub use text::{ReportStatus, render};
pub use view::{ClusterView, RoleName, RunStatus, SCHEMA, View};
