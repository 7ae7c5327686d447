//! Copies a state to a stream, reading it with several threads: what is read may have to be decompressed and verified.

use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::MaterializeError;
use crate::model::{PAGE_SIZE, PageIdx, PageSource, SourceError};
use crate::util::interrupt;

/// Bytes read and written at a time.
const CHUNK_LEN: u64 = 1 << 20;
/// Threads that read, at most.
const READERS: usize = 4;
/// Chunks that each of them may be ahead.
const AHEAD: usize = 2;

/// Writes `source` to `out`, byte for byte and in order; `path` is what errors call it.
pub(super) fn copy(
    path: &Path,
    source: &dyn PageSource,
    out: &mut dyn Write,
    on_progress: &dyn Fn(u64),
) -> Result<(), MaterializeError> {
    let mut put = |chunk: Result<Vec<u8>, SourceError>| -> Result<Vec<u8>, MaterializeError> {
        interrupt::check()?;
        let chunk = chunk.map_err(|source| MaterializeError::Source { path: path.into(), source })?;
        out.write_all(&chunk).map_err(|source| MaterializeError::Io { path: path.into(), source })?;
        on_progress(chunk.len() as u64);
        Ok(chunk)
    };
    let ranges: Vec<Range<u64>> = chunks(source.byte_len()).collect();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let readers = READERS.min(cores).min(ranges.len() / 4);
    if readers < 2 {
        let mut buf = Vec::new();
        for range in ranges {
            buf = put(read(source, range, buf))?;
        }
        return Ok(());
    }
    thread::scope(|scope| {
        let mut lanes = Vec::new();
        for lane in 0..readers {
            let own: Vec<_> = ranges.iter().skip(lane).step_by(readers).cloned().collect();
            let (full, filled) = sync_channel(AHEAD);
            let (empty, emptied) = sync_channel(AHEAD);
            scope.spawn(move || read_lane(source, own, &emptied, &full));
            lanes.push((filled, empty));
        }
        for i in 0..ranges.len() {
            let (filled, empty) = &lanes[i % readers];
            let chunk = filled.recv().expect("a reader sends every chunk of its lane or an error");
            // A reader that has finished needs no buffer.
            let _ = empty.try_send(put(chunk)?);
        }
        Ok(())
    })
}

/// Reads the chunks of one lane until they are all read, one cannot be read, or nobody wants them any more.
fn read_lane(
    source: &dyn PageSource,
    ranges: Vec<Range<u64>>,
    emptied: &Receiver<Vec<u8>>,
    full: &SyncSender<Result<Vec<u8>, SourceError>>,
) {
    for range in ranges {
        let chunk = read(source, range, emptied.try_recv().unwrap_or_default());
        let failed = chunk.is_err();
        if full.send(chunk).is_err() || failed {
            return;
        }
    }
}

fn read(source: &dyn PageSource, range: Range<u64>, mut buf: Vec<u8>) -> Result<Vec<u8>, SourceError> {
    let len = (range.end - range.start) as usize;
    buf.resize(len.next_multiple_of(PAGE_SIZE), 0);
    source.read_pages(PageIdx::of_offset(range.start).expect("a source never holds more than 16 TiB"), &mut buf)?;
    buf.truncate(len);
    Ok(buf)
}

fn chunks(byte_len: u64) -> impl Iterator<Item = Range<u64>> {
    (0..byte_len.div_ceil(CHUNK_LEN)).map(move |i| i * CHUNK_LEN..byte_len.min((i + 1) * CHUNK_LEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of 8 bytes, each its own place; fails at one page.
    struct Counting(u64, Option<PageIdx>);

    impl PageSource for Counting {
        fn byte_len(&self) -> u64 {
            self.0
        }

        fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
            for (i, word) in out.chunks_exact_mut(8).enumerate() {
                let at = first.byte_offset() + i as u64 * 8;
                if self.1.is_some_and(|p| p.byte_offset() == at) {
                    return Err("damaged".into());
                }
                word.copy_from_slice(&at.to_be_bytes());
            }
            Ok(())
        }
    }

    #[test]
    fn is_exact_in_order_and_stops_at_damage() {
        for len in [0, 1, 4096, 3 * CHUNK_LEN, 41 * CHUNK_LEN + 8 * 77] {
            let mut out = Vec::new();
            copy(Path::new("x"), &Counting(len, None), &mut out, &|_| {}).unwrap();
            assert_eq!(out.len() as u64, len);
            assert!(out.chunks_exact(8).enumerate().all(|(i, w)| w == (i as u64 * 8).to_be_bytes()));
        }
        let mut out = Vec::new();
        let damaged = Counting(41 * CHUNK_LEN, PageIdx::of_offset(20 * CHUNK_LEN + 4096));
        let result = copy(Path::new("x"), &damaged, &mut out, &|_| {});
        assert!(matches!(result, Err(MaterializeError::Source { .. })), "{result:?}");
        assert_eq!(out.len() as u64, 20 * CHUNK_LEN, "what comes before is whole");
    }
}
