//! Makes a long history for the benchmark, faster than one process per commit could: `history DIR COMMITS REFS`, in a repository that has
//! one commit. Every 50th commit is a merge; the refs are spread over the history; each commit has its line in the reflogs.

use std::fmt::Write;
use std::path::Path;

use graft::model::{Commit, ObjectId, RefName, Signature};
use graft::repo::state::objects::ObjectReader;
use graft::repo::state::refs::{Expected, RefEdit};
use graft::repo::{Repository, Settings};
use graft::store::Transaction;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, commits, refs] = args.as_slice() else { return Err("usage: history DIR COMMITS REFS".into()) };
    let (commits, refs): (usize, usize) = (commits.parse()?, refs.parse()?);
    let repo = Repository::open(Path::new(dir), Settings::default())?;
    let first = repo.head_commit()?.ok_or("a commit is needed to begin at")?;
    let tree = repo.commit(&first)?.tree;
    let who = |time| Signature { name: "Bench".into(), email: "bench@example.org".into(), time, offset: 0 };
    let lock = repo.store().lock()?;
    let mut tx = Transaction::new(repo.store(), &lock)?;
    let mut ids: Vec<ObjectId> = vec![first];
    let mut log = String::new();
    for n in 1..=commits {
        let time = 1_600_000_000 + n as i64 * 60;
        let last = ids[ids.len() - 1];
        let mut parents = vec![last];
        if n % 50 == 0 {
            parents.push(ids[ids.len() - 20]);
        }
        let (author, committer) = (who(time), who(time));
        let message = format!("Commit {n}\n");
        let id = tx.add_object(&Commit { tree, parents, generation: n as u64 + 1, author, committer, message });
        writeln!(log, "{last} {id} Bench <bench@example.org> {time} +0000\tcommit: Commit {n}")?;
        ids.push(id);
    }
    tx.publish()?;
    let last = ids[commits];
    let mut edits = vec![RefEdit::set(RefName::head(), last, Expected::MustExistAndMatch(first), "history")];
    for n in 0..refs {
        let name = RefName::branch(&format!("topic/{n:05}"))?;
        edits.push(RefEdit::set(name, ids[n * commits / refs], Expected::MustNotExist, "history"));
    }
    repo.refs().apply(&lock, &who(0), &edits)?;
    for name in ["logs/HEAD", "logs/refs/heads/main"] {
        std::fs::write(repo.dir().join(name), &log)?;
    }
    Ok(())
}
