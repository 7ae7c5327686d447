//! Compares two states of a file byte for byte.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::open::Source;
use crate::model::{PAGE_SIZE, PageIdx, PageSource};
use crate::repo::error::{RepoError, Result};
use crate::sqlite::file_source::EmptySource;

/// Compares byte for byte.
pub(super) fn same_bytes(a: &Source, b: &Source) -> Result<bool> {
    if a.byte_len() != b.byte_len() {
        return Ok(false);
    }
    let (mut a, mut b) = (Bytes::of(a)?, Bytes::of(b)?);
    let mut x = vec![0; 64 * PAGE_SIZE];
    let mut y = x.clone();
    loop {
        let len = a.read(&mut x)?;
        b.read(&mut y)?;
        if x[..len] != y[..len] {
            return Ok(false);
        }
        if len == 0 {
            return Ok(true);
        }
    }
}

/// The bytes of a side, in order.
enum Bytes<'a> {
    File(File, &'a Path),
    Pages(Arc<dyn PageSource>, u64),
}

impl<'a> Bytes<'a> {
    fn of(source: &'a Source) -> Result<Self> {
        Ok(match source {
            Source::Bytes(path, _) => Self::File(File::open(path).map_err(RepoError::file("read", path))?, path),
            Source::Stored(s) => Self::Pages(Arc::clone(s) as _, 0),
            Source::Database(d) => Self::Pages(Arc::clone(d) as _, 0),
            Source::Absent => Self::Pages(Arc::new(EmptySource), 0),
        })
    }

    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        match self {
            Self::File(file, path) => {
                let mut done = 0;
                while done < out.len() {
                    match file.read(&mut out[done..]).map_err(RepoError::file("read", path))? {
                        0 => break,
                        n => done += n,
                    }
                }
                Ok(done)
            }
            Self::Pages(pages, at) => {
                let left = pages.byte_len().saturating_sub(*at);
                let len = left.min(out.len() as u64) as usize;
                if let Some(first) = PageIdx::of_offset(*at).filter(|_| len > 0) {
                    let whole = len.next_multiple_of(PAGE_SIZE);
                    pages.read_pages(first, &mut out[..whole]).map_err(RepoError::Source)?;
                    *at += len as u64;
                }
                Ok(len)
            }
        }
    }
}
