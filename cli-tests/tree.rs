//! Copies and looks at whole folders: repositories to break and to put back.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Copies a folder with everything in it; what was at `to` is replaced. Times are kept, so that
/// fingerprints in the copy differ only by the inode.
pub fn copy_tree(from: &Path, to: &Path) {
    std::fs::remove_dir_all(to).ok();
    copy_into(from, to);
}

fn copy_into(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder to copy") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            copy_into(&entry.path(), &target);
        } else if kind.is_symlink() {
            symlink(std::fs::read_link(entry.path()).expect("a link"), &target).expect("a link");
        } else {
            std::fs::copy(entry.path(), &target).expect("a copy");
            let modified = entry.metadata().and_then(|metadata| metadata.modified()).expect("a time");
            let file = std::fs::File::options().append(true).open(&target).expect("the copy");
            file.set_modified(modified).expect("a time");
        }
    }
}

/// Every file under a folder, sorted, relative to it.
pub fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path.strip_prefix(folder).expect("below the folder").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Bytes of disk that a folder takes, as `du` counts (holes are free).
pub fn disk_usage(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    files_under(folder)
        .iter()
        .map(|file| std::fs::metadata(folder.join(file)).map_or(0, |metadata| metadata.blocks() * 512))
        .sum()
}
