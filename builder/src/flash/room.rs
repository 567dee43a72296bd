//! Whether a disk has the room that it says. Counterfeit cards say more than they have: what is written behind the real end is lost, or
//! lands on what is at the beginning.
//!
//! Pieces that name their own places are written all over the disk, and then read back. They are where powers of two are, since these
//! are the real sizes, and evenly between them.

use hc_device::{Buffer, Medium};

use super::write::{FlashError, disk};
use crate::used_ranges::PIECE;

/// Places that lie evenly over the disk.
const EVENLY: u64 = 64;

/// The lowest place: the head of the disk is zeroed, and stays so.
const LOWEST: u64 = 1 << 20;

/// Writes the pieces, reads them back, and leaves zeros there.
///
/// # Errors
/// [`FlashError::Counterfeit`] for a disk that does not keep them; else what the disk says.
pub(super) fn check(medium: &dyn Medium) -> Result<(), FlashError> {
    let places = places(medium.size());
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|error| disk("writing", 0)(std::io::Error::other(error)))?;
    let mut buffer = Buffer::new(len());
    for place in &places {
        fill(buffer.first(len()), &seed, *place);
        medium.write(buffer.first(len()), *place).map_err(disk("writing", *place))?;
    }
    medium.sync().map_err(disk("writing", 0))?;
    let mut expected = vec![0; len()];
    for place in &places {
        let there = buffer.first(len());
        medium.read(there, *place).map_err(disk("reading", *place))?;
        fill(&mut expected, &seed, *place);
        if there != expected.as_slice() {
            let other = places.iter().copied().find(|other| {
                fill(&mut expected, &seed, *other);
                there == expected.as_slice()
            });
            return Err(FlashError::Counterfeit { says: medium.size(), at: *place, other });
        }
    }
    buffer.first(len()).fill(0);
    for place in &places {
        medium.write(buffer.first(len()), *place).map_err(disk("writing", *place))?;
    }
    Ok(())
}

fn len() -> usize {
    usize::try_from(PIECE).unwrap_or(usize::MAX)
}

/// In order, each once.
fn places(size: u64) -> Vec<u64> {
    let Some(last) = (size / PIECE * PIECE).checked_sub(PIECE) else { return Vec::new() };
    let powers = (LOWEST.ilog2()..63).map(|power| 1_u64 << power);
    // Just before a power of two is the last piece of a card of that size.
    let before = powers.clone().map(|power| power.saturating_sub(PIECE));
    let evenly = (0..EVENLY).map(|number| (last / EVENLY).saturating_mul(number) / PIECE * PIECE);
    let mut all: Vec<u64> = powers
        .chain(before)
        .chain(evenly)
        .chain([last])
        .filter(|place| (LOWEST..=last).contains(place))
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A piece that names its place, and that nothing else has.
fn fill(piece: &mut [u8], seed: &[u8; 16], place: u64) {
    let name: Vec<u8> = seed.iter().copied().chain(place.to_le_bytes()).collect();
    for (byte, named) in piece.iter_mut().zip(name.iter().cycle()) {
        *byte = *named;
    }
}
