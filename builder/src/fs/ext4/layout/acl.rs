//! Access control lists: as programs give them, and as ext4 keeps them.
//!
//! Programs give version 2: after the version, entries of 8 bytes with a tag, permissions and an id. ext4 keeps
//! version 1, in which entries without an id have 4 bytes (`ext4_acl_from_disk` in the kernel). All little-endian.
//! What a valid list is, and how it goes with the permissions of the file, is told by acl(5).

/// `ACL_EA_VERSION` of the attribute that programs see.
const GIVEN: u32 = 2;
/// `EXT4_ACL_VERSION`.
const KEPT: u32 = 1;
/// The id of an entry that has none (`ACL_UNDEFINED_ID`).
const NO_ID: u32 = u32::MAX;

/// Tags of entries, in the order in which they stand in a list.
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    tag: u16,
    permissions: u16,
    id: u32,
}

impl Entry {
    fn has_id(self) -> bool {
        matches!(self.tag, USER | GROUP)
    }
}

/// A list of who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acl(Vec<Entry>);

impl Acl {
    /// Reads what a program gives (`getfacl`'s and `setfacl`'s attribute); none if it is no valid list.
    pub(crate) fn from_given(bytes: &[u8]) -> Option<Self> {
        let rest = strip_version(bytes, GIVEN)?;
        let (entries, []) = rest.as_chunks::<8>() else { return None };
        let entries = entries.iter().map(|&[t0, t1, p0, p1, id @ ..]| Entry {
            tag: u16::from_le_bytes([t0, t1]),
            permissions: u16::from_le_bytes([p0, p1]),
            id: u32::from_le_bytes(id),
        });
        Self(entries.collect()).checked()
    }

    /// Reads what ext4 keeps; none if it is no valid list.
    pub(crate) fn from_kept(bytes: &[u8]) -> Option<Self> {
        let mut rest = strip_version(bytes, KEPT)?;
        let mut entries = Vec::new();
        while let Some((&[t0, t1, p0, p1], behind)) = rest.split_first_chunk() {
            let (tag, permissions) = (u16::from_le_bytes([t0, t1]), u16::from_le_bytes([p0, p1]));
            let mut entry = Entry { tag, permissions, id: NO_ID };
            rest = behind;
            if entry.has_id() {
                let (id, behind) = rest.split_first_chunk()?;
                entry.id = u32::from_le_bytes(*id);
                rest = behind;
            }
            entries.push(entry);
        }
        if rest.is_empty() { Self(entries).checked() } else { None }
    }

    /// One entry each for owner, group and others, a mask where anybody else is named, and the usual order.
    fn checked(self) -> Option<Self> {
        let count = |tag| self.0.iter().filter(|entry| entry.tag == tag).count();
        let named = self.0.iter().any(|entry| entry.has_id());
        let known = self.0.iter().all(|entry| {
            entry.permissions <= 7 && matches!(entry.tag, OWNER | USER | OWNING_GROUP | GROUP | MASK | OTHER)
        });
        let ordered = self.0.is_sorted_by_key(|entry| entry.tag);
        let once = [OWNER, OWNING_GROUP, OTHER].into_iter().all(|tag| count(tag) == 1);
        let mask = count(MASK) == 1 || (count(MASK) == 0 && !named);
        (known && ordered && once && mask).then_some(self)
    }

    /// The list as a program sees it.
    pub(crate) fn given(&self) -> Vec<u8> {
        let mut bytes = GIVEN.to_le_bytes().to_vec();
        for entry in &self.0 {
            bytes.extend(entry.tag.to_le_bytes());
            bytes.extend(entry.permissions.to_le_bytes());
            bytes.extend(if entry.has_id() { entry.id } else { NO_ID }.to_le_bytes());
        }
        bytes
    }

    /// The list as ext4 keeps it.
    pub(crate) fn kept(&self) -> Vec<u8> {
        let mut bytes = KEPT.to_le_bytes().to_vec();
        for entry in &self.0 {
            bytes.extend(entry.tag.to_le_bytes());
            bytes.extend(entry.permissions.to_le_bytes());
            if entry.has_id() {
                bytes.extend(entry.id.to_le_bytes());
            }
        }
        bytes
    }

    /// Whether it says no more than nine permission bits can.
    pub(crate) fn is_minimal(&self) -> bool {
        self.0.iter().all(|entry| matches!(entry.tag, OWNER | OWNING_GROUP | OTHER))
    }

    /// The nine permission bits that go with it: the mask stands for the group.
    pub(crate) fn mode(&self) -> u16 {
        let of = |tag| self.0.iter().find(|entry| entry.tag == tag).map(|entry| entry.permissions);
        let group = of(MASK).or(of(OWNING_GROUP)).unwrap_or(0);
        of(OWNER).unwrap_or(0) << 6 | group << 3 | of(OTHER).unwrap_or(0)
    }

    /// The list after `chmod`: the mask, or the group where there is none, gets the group's bits.
    pub(crate) fn with_mode(&self, mode: u16) -> Self {
        let has_mask = self.0.iter().any(|entry| entry.tag == MASK);
        let entries = self.0.iter().map(|&entry| {
            let permissions = match entry.tag {
                OWNER => mode >> 6 & 7,
                MASK => mode >> 3 & 7,
                OWNING_GROUP if !has_mask => mode >> 3 & 7,
                OTHER => mode & 7,
                _ => entry.permissions,
            };
            Entry { permissions, ..entry }
        });
        Self(entries.collect())
    }
}

fn strip_version(bytes: &[u8], version: u32) -> Option<&[u8]> {
    let (found, rest) = bytes.split_first_chunk()?;
    (u32::from_le_bytes(*found) == version).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0];
        for (tag, permissions, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    const FULL: &[(u16, u16, u32)] = &[
        (OWNER, 7, NO_ID),
        (USER, 6, 70_000),
        (OWNING_GROUP, 5, NO_ID),
        (GROUP, 4, 20),
        (MASK, 5, NO_ID),
        (OTHER, 1, NO_ID),
    ];

    #[test]
    fn both_forms_say_the_same() {
        let bytes = given(FULL);
        let acl = Acl::from_given(&bytes).unwrap();
        assert_eq!(acl.given(), bytes);
        assert_eq!(acl.kept().len(), 4 + 4 * 4 + 2 * 8);
        assert_eq!(Acl::from_kept(&acl.kept()).unwrap(), acl);
        assert_eq!(acl.mode(), 0o751);
        assert_eq!(acl.with_mode(0o640).mode(), 0o640);
        assert!(!acl.is_minimal());
        let minimal =
            Acl::from_given(&given(&[(OWNER, 6, NO_ID), (OWNING_GROUP, 4, NO_ID), (OTHER, 4, NO_ID)]));
        let minimal = minimal.unwrap();
        assert!(minimal.is_minimal());
        assert_eq!(minimal.with_mode(0o705).mode(), 0o705);
    }

    #[test]
    fn what_is_no_list_is_none() {
        let without = |tag| given(&FULL.iter().copied().filter(|entry| entry.0 != tag).collect::<Vec<_>>());
        for bytes in [without(OWNER), without(OWNING_GROUP), without(MASK), without(OTHER)] {
            assert_eq!(Acl::from_given(&bytes), None);
        }
        let mut turned = FULL.to_vec();
        turned.swap(0, 5);
        let kept = Acl::from_given(&given(FULL)).unwrap().kept();
        for bytes in [&given(&turned)[..], &given(FULL)[..9], &[1, 0, 0, 0], &[], &kept] {
            assert_eq!(Acl::from_given(bytes), None);
        }
        assert_eq!(Acl::from_kept(&kept[..kept.len() - 1]), None);
        assert_eq!(Acl::from_kept(&given(FULL)), None);
    }
}
