//! A drawing of a partition table: a box for each partition, in the order of the disk.

use crate::disk::{ByteSize, Partition};

/// Columns of the drawing, without the edges between the boxes.
const WIDTH: u64 = 68;

/// Three lines: the boxes' edges, and between them the partitions' numbers. A box is as wide as its share of the image,
/// but wide enough for its number; a gap of 1 MiB or more, as at the end of a disk that is to be grown, is dots.
pub(super) fn draw(partitions: &[Partition], size: ByteSize) -> String {
    let mut sorted: Vec<&Partition> = partitions.iter().collect();
    sorted.sort_by_key(|partition| partition.start);
    let (mut edge, mut middle) = (String::from("  +"), String::from("  |"));
    let mut end = 0;
    for partition in sorted {
        gap(&mut edge, &mut middle, partition.start.0.saturating_sub(end), size.0);
        let number = partition.number.to_string();
        let width = columns(partition.size.0, size.0).max(number.len());
        edge.push_str(&format!("{}+", "-".repeat(width)));
        middle.push_str(&format!("{number:^width$}|"));
        end = partition.end().0;
    }
    gap(&mut edge, &mut middle, size.0.saturating_sub(end), size.0);
    format!("{edge}\n{middle}\n{edge}\n")
}

/// The table itself and alignment are not worth a box.
fn gap(edge: &mut String, middle: &mut String, bytes: u64, all: u64) {
    let width = columns(bytes, all);
    if bytes > 1 << 20 && width > 0 {
        edge.push_str(&format!("{}+", "-".repeat(width)));
        middle.push_str(&format!("{}|", ".".repeat(width)));
    }
}

fn columns(bytes: u64, all: u64) -> usize {
    let share = bytes.saturating_mul(WIDTH).checked_div(all).unwrap_or_default();
    usize::try_from(share.min(WIDTH)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{ByteOffset, PartitionType};

    fn partition(number: u32, start: u64, size: u64) -> Partition {
        Partition {
            number,
            start: ByteOffset(start << 20),
            size: ByteSize(size << 20),
            kind: PartitionType::Linux,
            label: None,
            guid: None,
        }
    }

    #[test]
    fn boxes_stand_in_the_order_of_the_disk() {
        let table = [partition(1, 128, 872), partition(14, 1, 3), partition(15, 4, 124)];
        let drawn = draw(&table, ByteSize(1000 << 20));
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[0], lines[2]);
        assert_eq!(lines[0].len(), lines[1].len());
        assert!(lines[1].starts_with("  |14|   15   |"), "{drawn}");
        assert!(lines.iter().all(|line| line.len() <= 80), "{drawn}");
    }

    #[test]
    fn free_room_is_dots_and_an_empty_disk_draws() {
        let drawn = draw(&[partition(1, 1, 499)], ByteSize(1000 << 20));
        assert!(drawn.contains("|.....") && drawn.contains(" 1 "), "{drawn}");
        assert_eq!(draw(&[], ByteSize(0)), "  +\n  |\n  +\n");
    }
}
