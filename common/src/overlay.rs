//! What a running cluster keeps of overlays, by names that both programs use.

/// What the name of an overlay's record begins with: a ConfigMap, and the file and `AddOn` that it comes from.
pub const RECORD_PREFIX: &str = "hcimage-overlay-";

/// What is in a file whose objects are to go: k3s takes away what it applied from a file and no longer finds there, and finds
/// nothing to apply at its next start.
pub const EMPTIED_TEXT: &str = "# removed\n";
