//! What an object says of the objects that it names, held against those: kinds, and the generation of a commit. Walks believe generations,
//! so this is checked where objects come in.

use super::object::ObjectError;
use super::{Commit, ObjectId, ObjectKind, RawObject, Tag, Tree};

/// What is known of a named object: its kind, and the generation of a commit (0 for others).
pub type Shape = (ObjectKind, u64);

/// Returns the shape of an object.
pub fn shape(raw: &RawObject) -> Result<Shape, ObjectError> {
    let generation = if raw.kind() == ObjectKind::Commit { raw.decode::<Commit>()?.generation } else { 0 };
    Ok((raw.kind(), generation))
}

/// Returns what is wrong between an object and those that it names; `look` returns the shape of one, or `None` if it is not here, as are
/// parents beyond the end of a shallow history.
pub fn wrong_link<E: From<ObjectError>>(
    raw: &RawObject,
    mut look: impl FnMut(&ObjectId) -> Result<Option<Shape>, E>,
) -> Result<Option<String>, E> {
    let mut is_not = |id: ObjectId, wanted: ObjectKind| -> Result<Option<String>, E> {
        let found = look(&id)?.map(|(kind, _)| kind).filter(|kind| *kind != wanted);
        Ok(found.map(|kind| format!("it names {id} as a {wanted}, which is a {kind}")))
    };
    match raw.kind() {
        ObjectKind::Commit => {
            let commit: Commit = raw.decode()?;
            if let Some(wrong) = is_not(commit.tree, ObjectKind::Tree)? {
                return Ok(Some(wrong));
            }
            let (mut highest, mut are_all_here) = (0, true);
            for parent in &commit.parents {
                match look(parent)? {
                    Some((ObjectKind::Commit, generation)) => highest = highest.max(generation),
                    Some((kind, _)) => return Ok(Some(format!("it names {parent} as a commit, which is a {kind}"))),
                    None => are_all_here = false,
                }
            }
            let is_right = match are_all_here {
                true => highest.checked_add(1) == Some(commit.generation),
                false => commit.generation > highest,
            };
            let claimed = commit.generation;
            Ok((!is_right)
                .then(|| format!("it says that its generation is {claimed}, and its parents' highest is {highest}")))
        }
        ObjectKind::Tree => {
            for entry in raw.decode::<Tree>()?.entries() {
                if let Some(wrong) = is_not(entry.snapshot, ObjectKind::Snapshot)? {
                    return Ok(Some(wrong));
                }
            }
            Ok(None)
        }
        // A tag may name anything.
        ObjectKind::Tag => raw.decode::<Tag>().map(|_| None).map_err(E::from),
        ObjectKind::Snapshot => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::model::{Object, Signature};

    fn commit(tree: ObjectId, parents: &[&RawObject], generation: u64) -> RawObject {
        let who = Signature { name: "A".to_owned(), email: "a@b".to_owned(), time: 1, offset: 0 };
        let parents = parents.iter().map(|raw| raw.id()).collect();
        Commit { tree, parents, generation, author: who.clone(), committer: who, message: String::new() }.to_raw()
    }

    #[test]
    fn a_forged_generation_and_a_wrong_kind_are_seen() {
        let tree = Tree::default().to_raw();
        let root = commit(tree.id(), &[], 1);
        let second = commit(tree.id(), &[&root], 2);
        let all: HashMap<_, _> = [&tree, &root, &second].map(|raw| (raw.id(), shape(raw).expect("sound"))).into();
        let wrong = |raw: &RawObject| wrong_link::<ObjectError>(raw, |id| Ok(all.get(id).copied())).expect("decodes");
        for sound in [&root, &second, &commit(tree.id(), &[&root, &second], 3), &tree] {
            assert_eq!(wrong(sound), None);
        }
        for generation in [2, 4, 900, u64::MAX] {
            let forged = commit(tree.id(), &[&root, &second], generation);
            assert!(wrong(&forged).is_some_and(|w| w.contains("generation")), "{generation}");
        }
        let elsewhere = Tree::default().to_raw();
        assert!(wrong(&commit(root.id(), &[], 1)).is_some_and(|w| w.contains("as a tree, which is a commit")));
        assert!(wrong(&commit(elsewhere.id(), &[&tree], 2)).is_some_and(|w| w.contains("as a commit")));
    }
}
