//! Reading and checking the partition table of an image, of either kind.

use super::error::{DiskError, Result};
use super::partition::{Partition, PartitionTable};
use super::window::Window;
use super::{gpt, magic, mbr};

impl PartitionTable {
    /// Reads and checks the table of an image with 512-byte sectors.
    ///
    /// Every partition of the answer has at least a sector, lies inside `image` and overlaps no other. Extended
    /// MBR partitions and damaged GPT headers (also where the other copy is good) are refused, as is an MBR beside a GPT
    /// that names other partitions than the GPT does.
    pub fn read(image: &Window) -> Result<Self> {
        let head = read_head(image)?;
        magic::refuse(image, &head)?;
        let sector = head.first_chunk::<512>().filter(|_| magic::signed(&head));
        let table = mbr::parse(sector.ok_or_else(|| magic::unsigned(&head))?)?;
        let table = match table {
            mbr::Found::Table(table) => {
                refuse_hidden_gpt(&head)?;
                table
            }
            mbr::Found::Protective => gpt::read(image, false)?,
            mbr::Found::Hybrid(shown) => {
                let table = gpt::read(image, true)?;
                table.agrees_with(&shown)?;
                table
            }
        };
        table.check(image.len())?;
        Ok(table)
    }

    /// Whether an MBR beside this GPT shows partitions of it, and nothing else.
    fn agrees_with(&self, shown: &[Partition]) -> Result<()> {
        let known = |entry: &&Partition| {
            self.partitions.iter().any(|p| p.start == entry.start && p.size == entry.size)
        };
        match shown.iter().find(|entry| !known(entry)) {
            None => Ok(()),
            Some(entry) => Err(DiskError::Corrupt {
                what: format!("MBR partition {} of a hybrid MBR is not in the GPT", entry.number),
                hint: Some("make a new MBR with `gdisk` (recovery menu: h, then w)"),
            }),
        }
    }

    fn check(&self, image_size: u64) -> Result<()> {
        for p in &self.partitions {
            let end = p.start.0.checked_add(p.size.0);
            let end = end.ok_or_else(|| DiskError::corrupt(format!("partition {} has no end", p.number)))?;
            if p.size.0 == 0 {
                return Err(DiskError::corrupt(format!("partition {} has no sectors", p.number)));
            }
            if p.start.0 == 0 {
                return Err(DiskError::corrupt(format!("partition {} covers the table itself", p.number)));
            }
            if end > image_size {
                let what = format!("partition {}", p.number);
                return Err(DiskError::Truncated { what, end, size: image_size });
            }
        }
        self.check_overlap()
    }

    fn check_overlap(&self) -> Result<()> {
        let mut by_place: Vec<&Partition> = self.partitions.iter().collect();
        by_place.sort_by_key(|p| p.start);
        for (left, right) in by_place.iter().zip(by_place.iter().skip(1)) {
            if left.end() > right.start {
                let what = format!("partitions {} and {} overlap", left.number, right.number);
                return Err(DiskError::corrupt(what));
            }
        }
        Ok(())
    }
}

fn read_head(image: &Window) -> Result<Vec<u8>> {
    // Two sectors: an MBR, and the GPT that it may hide.
    let len = usize::try_from(image.len()).unwrap_or(usize::MAX).min(1024);
    let mut head = vec![0; len];
    image.read_exact_at(&mut head, 0).map_err(DiskError::io("reading the beginning of the image"))?;
    Ok(head)
}

/// An error for a GPT without a protective MBR: one of the two tables is stale, and using the wrong one destroys data.
fn refuse_hidden_gpt(head: &[u8]) -> Result<()> {
    if head.get(512..520) == Some(b"EFI PART") {
        return Err(DiskError::Corrupt {
            what: "there is a GPT, but no protective MBR".to_owned(),
            hint: Some("remove the stale one with `gdisk` (expert menu: z, or n and w)"),
        });
    }
    Ok(())
}
