//! Judged by other tools: see each file.
