//! The trait of all file systems, for ext4.

use std::io::{Read, Write};

use super::ops::handle::Ext4;
use crate::fs::resolve::{Last, Tree};
use crate::fs::{Attributes, Entry, FileSystem, ImagePath, Kind, Result, Source, Space, Stat};

impl FileSystem for Ext4 {
    fn stat(&self, path: &ImagePath) -> Result<Option<Stat>> {
        self.stat_path(path)
    }

    fn resolve(&self, path: &ImagePath) -> Result<ImagePath> {
        self.place(path, Last::Follow)?.path()
    }

    fn read_link(&self, path: &ImagePath) -> Result<String> {
        let node = self.existing(path, Last::Keep, Some(Kind::Symlink))?;
        Tree::target(&self.tree(), &node)
    }

    fn list(&self, path: &ImagePath) -> Result<Vec<Entry>> {
        self.list_dir(path)
    }

    fn copy_to(&self, path: &ImagePath, out: &mut dyn Write) -> Result<u64> {
        self.copy_file(path, out)
    }

    fn read(&self, path: &ImagePath, limit: u64) -> Result<Vec<u8>> {
        self.read_file(path, limit)
    }

    fn create_dirs(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        self.make_dirs(path, attributes)
    }

    fn write(&self, path: &ImagePath, content: &mut dyn Read, attributes: Attributes) -> Result<u64> {
        self.write_file(path, &mut Source::streamed(content), attributes)
    }

    fn write_sized(
        &self,
        path: &ImagePath,
        content: &mut dyn Read,
        len: u64,
        attributes: Attributes,
    ) -> Result<()> {
        self.write_file(path, &mut Source::sized(content, len), attributes).map(drop)
    }

    fn symlink(&self, path: &ImagePath, target: &str, attributes: Attributes) -> Result<()> {
        self.make_symlink(path, target, attributes)
    }

    fn remove(&self, path: &ImagePath) -> Result<()> {
        self.remove_name(path)
    }

    fn set_attributes(&self, path: &ImagePath, attributes: Attributes) -> Result<()> {
        self.set_path_attributes(path, attributes)
    }

    fn space(&self) -> Result<Space> {
        self.free()
    }

    fn finish(self: Box<Self>) -> Result<()> {
        (*self).finish_with_changes().map(drop)
    }
}
