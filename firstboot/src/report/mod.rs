//! What firstboot tells a person: on the card, on the console, in the journal.

mod card;
mod date;
mod last_words;
pub(crate) mod live;
mod node;
mod own_secrets;
mod text;
mod view;

pub use card::{STATUS_FILE, guess_dir, publish};
pub use date::date;
pub use last_words::LAST_WORDS_PATH;
pub(crate) use last_words::save_last_words;
pub use live::LIVE_PATH;
pub use node::{Known, Versions};
pub use own_secrets::{SECRET_DIRS, secrets_of_text};
pub use text::{ReportStatus, render};
pub use view::{ClusterView, RoleName, RunStatus, SCHEMA, View};
