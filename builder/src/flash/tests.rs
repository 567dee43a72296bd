//! The writer on media of the tests' own: sound ones, and ones with the faults of real cards.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hc_device::Medium;

use super::write::{FlashError, Job, Mode};
use crate::disk::Window;
use crate::interrupt::Interrupt;
use crate::progress::Silent;

const MIB: u64 = 1 << 20;

/// What is wrong with a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It has so many bytes; what is written behind them lands at the beginning.
    Wraps(u64),
    /// What is written behind so many bytes is lost without a word.
    Loses(u64),
    /// It refuses to write at this byte.
    WriteError(u64),
    /// It refuses to read at this byte.
    ReadError(u64),
    /// This byte is another one when it is read.
    Flips(u64),
    /// It is pulled after so many writes: nothing is written or read from then on.
    Pulled(usize),
}

/// A card in memory. It asserts what direct access to a real one needs.
struct Card {
    bytes: Mutex<Vec<u8>>,
    fault: Fault,
    writes: AtomicUsize,
    /// Whether something was written since the last sync: a drive's cache would give it back, and not what keeps it.
    is_unsynced: AtomicBool,
    /// Whether it may be read all the same: to see what differs.
    is_compared: AtomicBool,
}

impl Card {
    /// With what an earlier owner has left on it.
    fn new(size: u64, fault: Fault) -> Self {
        let real = if let Fault::Wraps(real) = fault { real.max(size) } else { size };
        let (is_unsynced, is_compared) = (AtomicBool::new(false), AtomicBool::new(false));
        let bytes = Mutex::new(vec![0xAA; len(real)]);
        Self { bytes, fault, writes: AtomicUsize::new(0), is_unsynced, is_compared }
    }

    fn place(&self, offset: u64) -> u64 {
        if let Fault::Wraps(real) = self.fault { offset % real } else { offset }
    }

    fn head(&self) -> Vec<u8> {
        self.bytes.lock().unwrap()[..512].to_vec()
    }
}

/// All of an image.
fn whole(size: u64) -> Vec<Range<u64>> {
    std::iter::once(0..size).collect()
}

fn len(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}

fn covers(offset: u64, length: usize, at: u64) -> bool {
    (offset..offset + length as u64).contains(&at)
}

impl Medium for Card {
    fn size(&self) -> u64 {
        self.bytes.lock().unwrap().len() as u64
    }

    fn sector(&self) -> u64 {
        512
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        assert!(buffer.len().is_multiple_of(512) && offset.is_multiple_of(512), "{offset} {}", buffer.len());
        let is_unsynced = self.is_unsynced.load(Ordering::SeqCst);
        assert!(!is_unsynced || self.is_compared.load(Ordering::SeqCst), "{offset} is read before a sync");
        match self.fault {
            Fault::ReadError(at) if covers(offset, buffer.len(), at) => {
                return Err(io::Error::from_raw_os_error(5));
            }
            Fault::Pulled(after) if self.writes.load(Ordering::SeqCst) >= after => {
                return Err(io::Error::from_raw_os_error(5));
            }
            _ => {}
        }
        let start = len(self.place(offset));
        buffer.copy_from_slice(&self.bytes.lock().unwrap()[start..start + buffer.len()]);
        if let Fault::Flips(at) = self.fault
            && covers(offset, buffer.len(), at)
        {
            buffer[len(at - offset)] ^= 1;
        }
        Ok(())
    }

    fn write(&self, buffer: &[u8], offset: u64) -> io::Result<()> {
        assert!(buffer.len().is_multiple_of(512) && offset.is_multiple_of(512), "{offset} {}", buffer.len());
        assert!(buffer.as_ptr().align_offset(512) == 0, "the memory is not aligned");
        match self.fault {
            Fault::WriteError(at) if covers(offset, buffer.len(), at) => {
                return Err(io::Error::from_raw_os_error(5));
            }
            Fault::Pulled(after) if self.writes.load(Ordering::SeqCst) >= after => {
                return Err(io::Error::from_raw_os_error(5));
            }
            Fault::Loses(from) if offset >= from => return Ok(()),
            _ => {}
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.is_unsynced.store(true, Ordering::SeqCst);
        let start = len(self.place(offset));
        self.bytes.lock().unwrap()[start..start + buffer.len()].copy_from_slice(buffer);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.is_unsynced.store(false, Ordering::SeqCst);
        Ok(())
    }
}

/// An image of this size whose bytes all differ from what is on a card.
fn image(size: u64) -> Window {
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at / 512 % 127).unwrap() | 1).collect();
    file.write_all(&bytes).unwrap();
    Window::whole(Arc::new(file)).unwrap()
}

fn bytes_of(image: &Window) -> Vec<u8> {
    let mut bytes = vec![0; len(image.len())];
    image.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn flash(image: &Window, used: &[Range<u64>], card: &Card, mode: Mode) -> Result<super::Flashed, FlashError> {
    let interrupt = Interrupt::new();
    card.is_compared.store(mode == Mode::Delta, Ordering::SeqCst);
    Job { image, used, disk: card, progress: &Silent, interrupt: &interrupt }.run(mode)
}

#[test]
fn a_card_gets_what_is_used_and_keeps_what_is_not() {
    let image = image(12 * MIB);
    let wanted = bytes_of(&image);
    let used = [0..3 * MIB, 5 * MIB..5 * MIB + 4096, 11 * MIB..12 * MIB];
    let card = Card::new(32 * MIB, Fault::None);
    let done = flash(&image, &used, &card, Mode::Whole).unwrap();
    assert_eq!((done.written, done.verified), (4 * MIB + 4096, 4 * MIB + 4096));
    let bytes = card.bytes.lock().unwrap();
    for range in &used {
        let range = len(range.start)..len(range.end);
        assert!(bytes[range.clone()] == wanted[range.clone()], "{range:?}");
    }
    // What is not used was left alone, but for the pieces that show whether there is room.
    let left = &bytes[len(4 * MIB)..len(5 * MIB)];
    assert!(left.iter().filter(|byte| **byte == 0xAA).count() > left.len() - 8 * 4096);
    // What an earlier table has left at the end.
    assert!(bytes[len(31 * MIB)..].iter().all(|byte| *byte == 0));
}

#[test]
fn an_image_of_odd_sizes_is_padded_and_one_as_large_as_the_card_fits() {
    for (size, room) in
        [(512, 512), (5 * MIB + 512, 8 * MIB), (8 * MIB, 8 * MIB), (MIB, MIB), (3 * MIB - 512, 3 * MIB)]
    {
        let image = image(size);
        let card = Card::new(room, Fault::None);
        flash(&image, &whole(size), &card, Mode::Whole)
            .unwrap_or_else(|error| panic!("{size} {room}: {error}"));
        assert!(card.bytes.lock().unwrap()[..len(size)] == bytes_of(&image), "{size} {room}");
    }
}

#[test]
fn a_second_run_writes_only_what_differs() {
    let image = image(24 * MIB);
    let used = whole(24 * MIB);
    let card = Card::new(32 * MIB, Fault::None);
    flash(&image, &used, &card, Mode::Whole).unwrap();
    card.bytes.lock().unwrap()[len(9 * MIB)] ^= 1;
    let done = flash(&image, &used, &card, Mode::Delta).unwrap();
    assert!(card.bytes.lock().unwrap()[..len(24 * MIB)] == bytes_of(&image));
    // The head, and the one piece.
    assert_eq!((done.written, done.verified), (5 * MIB, 24 * MIB));
}

#[test]
fn a_card_with_less_room_than_it_says_is_named() {
    let image = image(2 * MIB);
    for fault in
        [Fault::Loses(16 * MIB), Fault::Loses(40 * MIB), Fault::Wraps(8 * MIB), Fault::Wraps(16 * MIB)]
    {
        let card = Card::new(64 * MIB, fault);
        let said = flash(&image, &whole(2 * MIB), &card, Mode::Whole).unwrap_err().to_string();
        assert!(said.contains("counterfeit"), "{fault:?}: {said}");
        assert_ne!(card.head(), bytes_of(&image)[..512], "{fault:?}");
    }
}

#[test]
fn a_card_that_fails_does_not_start() {
    let image = image(12 * MIB);
    let head = bytes_of(&image)[..512].to_vec();
    for (fault, expected) in [
        (Fault::WriteError(6 * MIB + 5), "writing the disk at byte"),
        (Fault::ReadError(6 * MIB + 5), "reading the disk at byte"),
        (Fault::Flips(6 * MIB + 5), "differs at byte 6291461"),
        (Fault::Flips(100), "differs at byte 100"),
    ] {
        let card = Card::new(16 * MIB, fault);
        let said = flash(&image, &whole(12 * MIB), &card, Mode::Whole).unwrap_err().to_string();
        assert!(said.contains(expected), "{fault:?}: {said}");
        assert_ne!(card.head(), head, "{fault:?}");
    }
}

/// The threads that read have their pieces in turns; what is told is the first difference.
#[test]
fn a_difference_in_any_piece_is_found() {
    let image = image(30 * MIB);
    for at in (1..30).map(|mib| mib * MIB + 4711) {
        let card = Card::new(32 * MIB, Fault::Flips(at));
        let said = flash(&image, &whole(30 * MIB), &card, Mode::Whole).unwrap_err();
        assert!(matches!(said, FlashError::Differs { at: found, .. } if found == at), "{at}: {said}");
    }
}

#[test]
fn a_card_that_is_pulled_at_any_moment_does_not_start_and_goes_on_later() {
    let image = image(6 * MIB);
    let wanted = bytes_of(&image);
    let used = whole(6 * MIB);
    let whole = Card::new(8 * MIB, Fault::None);
    flash(&image, &used, &whole, Mode::Whole).unwrap();
    let all = whole.writes.load(Ordering::SeqCst);
    assert!(all > 50);
    for after in 0..all {
        let card = Card::new(8 * MIB, Fault::Pulled(after));
        card.bytes.lock().unwrap()[..512].copy_from_slice(&wanted[..512]);
        assert!(flash(&image, &used, &card, Mode::Whole).is_err(), "{after}");
        // Before the first write it is as it was.
        assert!(after == 0 || card.head() != wanted[..512], "{after}");
        let again = Card::new(8 * MIB, Fault::None);
        again.bytes.lock().unwrap().copy_from_slice(&card.bytes.lock().unwrap());
        flash(&image, &used, &again, Mode::Delta).unwrap();
        assert!(again.bytes.lock().unwrap()[..len(6 * MIB)] == wanted, "{after}");
    }
}

#[test]
fn ctrl_c_leaves_a_disk_that_does_not_start() {
    let image = image(12 * MIB);
    let card = Card::new(16 * MIB, Fault::None);
    let interrupt = Interrupt::new();
    interrupt.raise();
    let used = whole(12 * MIB);
    let job = Job { image: &image, used: &used, disk: &card, progress: &Silent, interrupt: &interrupt };
    assert!(matches!(job.run(Mode::Whole), Err(FlashError::Stopped)));
    assert!(card.head().iter().all(|byte| *byte == 0));
}

#[test]
fn an_image_that_gets_shorter_meanwhile_is_told() {
    let file = Arc::new(tempfile::tempfile().unwrap());
    file.set_len(12 * MIB).unwrap();
    let image = Window::whole(Arc::clone(&file)).unwrap();
    shorten(&file);
    let card = Card::new(16 * MIB, Fault::None);
    assert!(matches!(flash(&image, &whole(12 * MIB), &card, Mode::Whole), Err(FlashError::Image { .. })));
    assert!(card.head().iter().all(|byte| *byte == 0));
}

fn shorten(file: &File) {
    file.set_len(6 * MIB).unwrap();
}
