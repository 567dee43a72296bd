//! All downloads of a run together: how much is known of, how much is here, and how long the rest takes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration};

/// Between two pieces of a download there may be other work, such as unpacking: more than this is none of its time.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What is known of all downloads.
#[derive(Debug, Default)]
pub(super) struct Whole {
    inputs: BTreeMap<String, Input>,
    /// Time in which something arrived.
    busy: Duration,
    last: Option<Instant>,
    /// Bytes that arrived in that time.
    arrived: u64,
}

#[derive(Debug, Default)]
struct Input {
    /// In bytes.
    size: u64,
    here: u64,
}

impl Whole {
    /// An input of this digest and size in bytes is wanted. What is told twice counts once.
    pub(super) fn expect(&mut self, digest: &str, size: u64) {
        self.inputs.entry(digest.to_owned()).or_default().size = size;
    }

    /// Its download begins, or begins once more.
    pub(super) fn begin(&mut self, digest: &str, size: Option<u64>) {
        let input = self.inputs.entry(digest.to_owned()).or_default();
        input.here = 0;
        input.size = size.unwrap_or(input.size);
    }

    /// More of it is here at this time; `arrived` tells whether it has just come, or was here from an earlier run.
    pub(super) fn advance(&mut self, digest: &str, bytes: u64, now: Instant) {
        let Some(input) = self.inputs.get_mut(digest) else { return };
        let is_first = input.here == 0;
        input.here = input.here.saturating_add(bytes);
        input.size = input.size.max(input.here);
        if let Some(last) = self.last.filter(|_| !is_first) {
            self.busy = self.busy.saturating_add(now.saturating_duration_since(last).min(LONGEST_PAUSE));
            self.arrived = self.arrived.saturating_add(bytes);
        }
        self.last = Some(now);
    }

    /// Bytes that are here, and all that are known of. None where there is one input alone, which has its own progress.
    pub(super) fn both(&self) -> Option<(u64, u64)> {
        let sum = |of: fn(&Input) -> u64| self.inputs.values().map(of).fold(0, u64::saturating_add);
        (self.inputs.len() > 1).then(|| (sum(|input| input.here), sum(|input| input.size)))
    }

    /// `in total 12 MiB of 3.4 GiB, 5 minutes left`.
    pub(super) fn line(&self) -> Option<String> {
        let (here, all) = self.both()?;
        let left = self.left(all.saturating_sub(here)).map(|left| format!(", {} left", HumanDuration(left)));
        Some(format!("in total {} of {}{}", HumanBytes(here), HumanBytes(all), left.unwrap_or_default()))
    }

    /// How long so many bytes take, by the rate so far. None before there is one.
    fn left(&self, bytes: u64) -> Option<Duration> {
        let millis = self.busy.as_millis();
        let arrived = u128::from(self.arrived);
        if millis < 1000 || arrived == 0 {
            return None;
        }
        let left = u128::from(bytes).checked_mul(millis)?.checked_div(arrived)?;
        Some(Duration::from_millis(u64::try_from(left).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_total_grows_with_what_is_known_and_a_retry_counts_once() {
        let (mut whole, begun) = (Whole::default(), Instant::now());
        let at = |seconds| begun + Duration::from_secs(seconds);
        whole.expect("a", 10 * MIB);
        assert_eq!(whole.line(), None, "one alone has its own line");
        whole.expect("b", 30 * MIB);
        whole.expect("b", 30 * MIB);
        whole.begin("a", Some(10 * MIB));
        whole.advance("a", MIB, at(0));
        assert_eq!(whole.line().unwrap(), "in total 1.00 MiB of 40.00 MiB");
        whole.advance("a", 4 * MIB, at(2));
        // Two MiB a second: the first piece may have been here before.
        assert_eq!(whole.line().unwrap(), "in total 5.00 MiB of 40.00 MiB, 18 seconds left");
        // The connection ends; the next one has what is here.
        whole.begin("a", Some(10 * MIB));
        whole.advance("a", 5 * MIB, at(3));
        assert_eq!(whole.both(), Some((5 * MIB, 40 * MIB)));
        // A minute of other work is no time of the downloads.
        whole.advance("a", 4 * MIB, at(63));
        assert_eq!(whole.line().unwrap(), "in total 9.00 MiB of 40.00 MiB, 16 seconds left");
        // Without a size, and more than was promised.
        whole.begin("c", None);
        whole.advance("c", 8 * MIB, at(64));
        assert_eq!(whole.both(), Some((17 * MIB, 48 * MIB)));
    }
}
