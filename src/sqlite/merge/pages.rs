//! A merge whose result is pages: written over ours in memory, nowhere else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OpenFlags};

use super::{MergeOptions, Merged, Result, States, merge};
use crate::model::{PAGE_SIZE, PageBuf, PageIdx, PageSource, SourceError};
use crate::sqlite::sql::volumes::{self, DirtyPages, VolumeFile, Volumes};
use crate::sqlite::vfs;
use crate::util::random;

/// The pages of the result that are not those of ours.
pub struct MergedPages {
    /// Bytes of the result.
    pub byte_len: u64,
    /// The pages, in order.
    pub pages: Vec<(PageIdx, Arc<PageBuf>)>,
}

/// Merges three states; the result is ours with other pages.
pub fn merge_pages(states: &States, options: MergeOptions) -> Result<(Merged, MergedPages)> {
    let name = format!("merge-{}", u128::from_le_bytes(random::bytes()));
    let over = Arc::new(Mutex::new(Over::new(Arc::clone(&states.ours))));
    let serving = volumes::serve_private(Arc::new(OneVolume { name: name.clone(), over: Arc::clone(&over) }));
    vfs::register()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(volumes::uri(&name, serving.served_by()), flags)?;
    let merged = merge(states, &conn, options)?;
    conn.close().map_err(|(_, e)| e)?;
    let over = lock(&over);
    let count = crate::model::page::pages_for(over.byte_len).unwrap_or_default();
    let within = over.pages.iter().filter(|(idx, _)| idx.get() <= count);
    Ok((merged, MergedPages { byte_len: over.byte_len, pages: within.map(|(i, p)| (*i, Arc::clone(p))).collect() }))
}

/// A state with other pages over it.
#[derive(Clone)]
struct Over {
    below: Arc<dyn PageSource>,
    byte_len: u64,
    pages: BTreeMap<PageIdx, Arc<PageBuf>>,
}

impl Over {
    fn new(below: Arc<dyn PageSource>) -> Self {
        Self { byte_len: below.byte_len(), below, pages: BTreeMap::new() }
    }
}

impl PageSource for Over {
    fn byte_len(&self) -> u64 {
        self.byte_len
    }

    fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> std::result::Result<(), SourceError> {
        self.below.read_pages(first, out)?;
        let last = first.get() + (out.len() / PAGE_SIZE) as u32;
        for (idx, page) in self.pages.range(first..).take_while(|(idx, _)| idx.get() < last) {
            let at = (idx.get() - first.get()) as usize * PAGE_SIZE;
            out[at..at + PAGE_SIZE].copy_from_slice(&page[..]);
        }
        Ok(())
    }
}

fn lock(over: &Mutex<Over>) -> MutexGuard<'_, Over> {
    // It is replaced as a whole.
    over.lock().unwrap_or_else(PoisonError::into_inner)
}

struct OneVolume {
    name: String,
    over: Arc<Mutex<Over>>,
}

impl Volumes for OneVolume {
    fn open(&self, name: &str) -> std::result::Result<Box<dyn VolumeFile>, SourceError> {
        match name == self.name {
            true => Ok(Box::new(OverFile { over: Arc::clone(&self.over), seen: None })),
            false => Err(format!("there is no volume '{name}'").into()),
        }
    }
}

struct OverFile {
    over: Arc<Mutex<Over>>,
    seen: Option<Arc<dyn PageSource>>,
}

impl VolumeFile for OverFile {
    fn refresh(&mut self) -> std::result::Result<Arc<dyn PageSource>, SourceError> {
        let over = &self.over;
        Ok(Arc::clone(self.seen.get_or_insert_with(|| Arc::new(lock(over).clone()))))
    }

    fn reserve(&mut self) -> std::result::Result<bool, SourceError> {
        Ok(true)
    }

    fn release(&mut self) {}

    fn commit(&mut self, byte_len: u64, pages: DirtyPages) -> std::result::Result<Arc<dyn PageSource>, SourceError> {
        let mut over = lock(&self.over);
        over.byte_len = byte_len;
        over.pages.extend(pages.into_iter().map(|(idx, page)| (idx, Arc::from(page))));
        let seen: Arc<dyn PageSource> = Arc::new(over.clone());
        self.seen = Some(Arc::clone(&seen));
        Ok(seen)
    }
}
