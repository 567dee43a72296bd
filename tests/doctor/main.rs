//! `hcimage doctor`: cards with one thing wrong each, journals of journald itself, and secrets that must not be shown.
//!
//! The cards are images of hcimage's own, changed by debugfs, mtools and plain writes. What a boot would have left on them
//! is written with firstboot's own types; tests/boot looks at cards that have booted.

#![cfg(test)]

mod card;
mod cards;
mod journal;
mod secrets;
