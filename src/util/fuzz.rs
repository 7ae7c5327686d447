//! Mutated inputs for decoders, from fixed seeds: every run tries the same ones. How many says `GRAFT_FUZZ=N`; an input that makes a
//! decoder panic is written to `cli-tests/fuzz/<decoder>/`, where it stays as a fixture that is tried first.

use std::fs;
use std::path::PathBuf;

use super::panics::caught;

/// Returns how many inputs are tried: as many as usual, or `GRAFT_FUZZ` of them.
pub fn count(usual: u64) -> u64 {
    std::env::var("GRAFT_FUZZ").map_or(usual, |n| n.parse().expect("GRAFT_FUZZ is a number"))
}

/// Random numbers that are the same in every run: SplitMix64.
pub struct Dice(u64);

impl Dice {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.0;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((n ^ (n >> 31)) % end as u64) as usize
    }

    /// Changes some bytes, as a disk, a network or a stranger would.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>) {
        const TELLING: [u8; 12] = [0, 1, 0x1b, 0x5b, 0x7b, 0x7f, 0x80, 0x9b, 0xbb, 0xff, b'\n', b'"'];
        for _ in 0..=self.below(3) {
            let at = self.below(bytes.len() + 1);
            match self.below(8) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 if at < bytes.len() => bytes[at] = TELLING[self.below(TELLING.len())],
                2 => bytes.truncate(at),
                3 => drop(bytes.drain(at..(at + 1 + self.below(16)).min(bytes.len()).max(at))),
                4 => {
                    let number = [u64::MAX, 1 << 62, 1 << 46, u64::from(u32::MAX), 1 << 20][self.below(5)];
                    let end = (at + 8).min(bytes.len());
                    let wide = if self.below(2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
                    bytes[at..end].copy_from_slice(&wide[..end - at]);
                }
                5 => {
                    let end = (at + 1 + self.below(40)).min(bytes.len());
                    let again = bytes[at..end].to_vec();
                    let to = self.below(bytes.len() + 1);
                    bytes.splice(to..to, again);
                }
                6 => bytes.insert(at, TELLING[self.below(TELLING.len())]),
                _ => {
                    let to = self.below(bytes.len() + 1);
                    let (from, len) = (at.min(to), self.below(8));
                    let end = (from + len).min(bytes.len());
                    bytes[from..end].iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                }
            }
        }
    }
}

/// Gives a decoder the fixtures that are kept for it, and `usual` mutations of the seeds, unless `GRAFT_FUZZ` says how many. Every second one
/// is mended, so that what lies behind a checksum is reached.
pub fn run(name: &str, usual: u64, seeds: &[Vec<u8>], mend: impl Fn(&mut [u8]), mut decode: impl FnMut(&[u8])) {
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cli-tests/fuzz").join(name);
    let fixtures = fs::read_dir(&kept).into_iter().flatten().flatten().map(|entry| fs::read(entry.path()));
    for bytes in fixtures.map(|bytes| bytes.expect("a fixture")).chain(seeds.iter().cloned()) {
        decode(&bytes);
    }
    for n in 0..count(usual) {
        let mut dice = Dice::new(n);
        let mut bytes = seeds[dice.below(seeds.len())].clone();
        dice.mutate(&mut bytes);
        if n % 2 == 1 {
            mend(&mut bytes);
        }
        if let Err(said) = caught(|| decode(&bytes)) {
            let path = kept.join(&blake3::hash(&bytes).to_hex()[..12]);
            let written = fs::create_dir_all(&kept).and_then(|()| fs::write(&path, &bytes));
            panic!("{name}, input {n}: {said}; kept as {} ({written:?})", path.display());
        }
    }
}

/// As [`run`], where nothing needs mending and every input is text.
pub fn text(name: &str, usual: u64, seeds: &[&str], mut decode: impl FnMut(&str)) {
    let seeds: Vec<_> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    run(name, usual, &seeds, |_| (), |bytes| decode(&String::from_utf8_lossy(bytes)));
}
