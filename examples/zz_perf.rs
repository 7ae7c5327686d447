use graft::{model::*, sqlite::*};
use std::{
    fs::File,
    ops::ControlFlow,
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};
struct D(File);
impl PageSource for D {
    fn byte_len(&self) -> u64 {
        self.0.metadata().unwrap().len()
    }
    fn read_pages(&self, first: PageIdx, out: &mut [u8]) -> Result<(), SourceError> {
        let mut at = first.byte_offset();
        let mut o = out;
        while !o.is_empty() {
            let n = self.0.read_at(o, at)?;
            if n == 0 {
                o.fill(0);
                break;
            }
            at += n as u64;
            o = &mut o[n..];
        }
        Ok(())
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let t = Instant::now();
    match a[1].as_str() {
        "scan" => {
            let mut n = 0u64;
            let mut free = Vec::new();
            scan(Path::new(&a[2]), &ScanOptions { busy_timeout: Duration::from_secs(1), on_wait: &|_| {} }, &mut |c| {
                if let ScanChunk::Pages { bytes, .. } = c {
                    n += bytes.len() as u64;
                    std::mem::swap(&mut free, bytes);
                }
                ControlFlow::Continue(())
            })
            .unwrap();
            println!("scan {n} {:?}", t.elapsed());
        }
        "new" => {
            let w = WriteOptions { durable: a.len() > 4, ..WriteOptions::new(Path::new("/tmp/perf")) };
            write_new(Path::new(&a[3]), &D(File::open(&a[2]).unwrap()), &w).unwrap();
            println!("new {:?}", t.elapsed());
        }
        "inplace" => {
            let r = write_in_place(
                Path::new(&a[3]),
                &D(File::open(&a[2]).unwrap()),
                None,
                &WriteOptions::new(Path::new("/tmp/perf")),
            )
            .unwrap();
            println!("inplace {r:?} {:?}", t.elapsed());
        }
        _ => {}
    }
}
