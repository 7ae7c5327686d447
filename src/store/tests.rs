//! The storage log against a model that keeps whole copies of every state.

use std::fs;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::page::{ZERO_PAGE, pages_for};
use crate::model::{FileKind, PAGE_SIZE, PageIdx, PageSource};

type Pages = Vec<[u8; PAGE_SIZE]>;

struct Volume {
    store: Store,
    id: VolumeId,
    /// Every state ever appended, with the whole contents it must read as.
    states: Vec<(Snapshot, Pages)>,
}

impl Volume {
    fn new(dir: &std::path::Path) -> Self {
        let store = Store::create(dir, StoreOptions::default()).expect("create");
        let id = store.new_volume_id();
        Self { store, id, states: Vec::new() }
    }

    fn append(&mut self, base: Option<usize>, pages: Pages) {
        let lock = self.store.lock().expect("lock");
        let base = base.map(|i| Arc::new(self.store.open_snapshot(self.states[i].0.clone()).expect("open")));
        let mut ingest = self.store.ingest(base.clone(), None, Purpose::Store).expect("ingest");
        for (i, chunk) in pages.chunks(7).enumerate() {
            let first = PageIdx::new(i as u32 * 7 + 1).expect("from 1");
            assert!(ingest.push(first, chunk.concat()).is_continue());
        }
        let mut tx = Transaction::new(&self.store, &lock).unwrap();
        let byte_len = (pages.len() * PAGE_SIZE) as u64;
        let state = NewState { volume: self.id, kind: FileKind::Opaque, byte_len, base: base.as_deref() };
        let snapshot = tx.append(state, ingest.finish().expect("finish")).expect("append");
        tx.add_object(&snapshot);
        tx.publish().expect("publish");
        assert!(snapshot.commit_count() <= MAX_LISTED, "snapshots stay small");
        self.states.push((snapshot, pages));
    }

    fn check(&self, store: &Store) {
        let open: Vec<_> = self.states.iter().map(|(s, _)| store.open_snapshot(s.clone()).expect("open")).collect();
        for (open, (snapshot, pages)) in open.iter().zip(&self.states) {
            assert_eq!(snapshot.page_count as usize, pages.len());
            let mut all = vec![1; (pages.len() + 2) * PAGE_SIZE];
            open.read_pages(PageIdx::FIRST, &mut all).expect("read");
            let wanted: Vec<u8> = pages.iter().chain([&ZERO_PAGE, &ZERO_PAGE]).flatten().copied().collect();
            assert!(all == wanted, "a state reads as it was written");
        }
        for (i, a) in open.iter().enumerate().step_by(5) {
            for (j, b) in open.iter().enumerate().rev().step_by(3) {
                let (x, y) = (&self.states[i].1, &self.states[j].1);
                let wanted: crate::model::PageSet = (0..x.len().max(y.len()))
                    .filter(|n| x.get(*n) != y.get(*n))
                    .filter_map(|n| PageIdx::new(n as u32 + 1))
                    .collect();
                assert_eq!(differing_pages(a, b).expect("diff"), wanted, "states {i} and {j}");
            }
        }
    }
}

/// One change: which state to build on, the new size, pages to rewrite.
type Step = (prop::sample::Index, u8, u32, Vec<(prop::sample::Index, u8)>);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (any::<prop::sample::Index>(), 0u8..4);
    prop::collection::vec((any::<prop::sample::Index>(), 0u8..10, 1u32..40, prop::collection::vec(write, 0..4)), 1..130)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_history_reads_back_and_survives_a_lost_index(steps in steps()) {
        let dir = tempfile::tempdir().expect("temp dir");
        let mut volume = Volume::new(dir.path());
        volume.append(None, vec![[9; PAGE_SIZE]; 20]);
        for (from, rare, size, writes) in steps {
            // Mostly linear, now and then a fork from anywhere, now and then a new size.
            let base = if rare == 0 { from.index(volume.states.len()) } else { volume.states.len() - 1 };
            let mut pages = volume.states[base].1.clone();
            if rare < 3 {
                pages.resize(size as usize, ZERO_PAGE);
            }
            for (at, fill) in writes {
                let at = at.index(pages.len());
                pages[at] = [fill; PAGE_SIZE];
            }
            volume.append(Some(base), pages);
        }
        volume.check(&volume.store);
        volume.check(&Store::open(dir.path(), StoreOptions::default()).expect("reopen"));
        let _ = fs::remove_dir_all(dir.path().join("store"));
        let _ = fs::remove_file(dir.path().join("index-tail"));
        volume.check(&Store::open(dir.path(), StoreOptions::default()).expect("without an index"));
    }
}

#[test]
fn large_volumes_share_page_map_chunks() {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut volume = Volume::new(dir.path());
    let mut pages: Pages = (0..5000u32)
        .map(|n| {
            let mut page = ZERO_PAGE;
            page[..4].copy_from_slice(&n.to_le_bytes());
            page
        })
        .collect();
    volume.append(None, pages.clone());
    for n in 0..200u32 {
        pages[(n as usize * 7) % 900] = [n as u8; PAGE_SIZE];
        let last = volume.states.len() - 1;
        volume.append(Some(last), pages.clone());
        // Whole copies of all states would be too much; the newest ones will do.
        if volume.states.len() > 3 {
            volume.states.remove(0);
        }
    }
    volume.check(&volume.store);
    let head = volume.store.open_snapshot(volume.states[2].0.clone()).expect("open");
    let map = head.map().expect("a checkpoint by now");
    assert_eq!(map.chunks.len(), pages_for(5000 * PAGE_SIZE as u64).expect("small").div_ceil(1024) as usize);
    let known = volume.store.index().range(Keyspace::Maps, &[], &|_| true).expect("list").len();
    assert!(known <= 3 * 2 + 5, "unchanged chunks are stored once, but {known} maps and chunks are there");
}

#[test]
fn the_tail_is_folded_and_found() {
    let dir = tempfile::tempdir().expect("temp dir");
    let mut volume = Volume::new(dir.path());
    for n in 0..600u32 {
        let base = volume.states.len().checked_sub(1);
        volume.append(base, vec![[n as u8; PAGE_SIZE], [(n / 256) as u8; PAGE_SIZE]]);
    }
    assert!(fs::metadata(dir.path().join("index-tail")).expect("tail").len() < 400_000);
    volume.check(&Store::open(dir.path(), StoreOptions::default()).expect("reopen"));
    let other = Store::open(dir.path(), StoreOptions::default()).expect("a second handle");
    let first = volume.states[0].0.to_raw_id();
    assert!(other.object(&first).is_ok() && volume.store.object(&first).is_ok(), "neither keeps fjall for itself");
}

impl Snapshot {
    fn to_raw_id(&self) -> ObjectId {
        use crate::model::Object;
        self.to_raw().id()
    }
}
