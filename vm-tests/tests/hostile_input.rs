//! Every fuzz target with its seeds and what is one small change away from them. Findings of `make fuzz` are
//! kept as seeds, so what was found once stays found.
#![allow(clippy::arithmetic_side_effects, reason = "a test may fail where it stands")]

use std::{collections::BTreeMap, fs, path::Path};

use vm_tests::fuzz::TARGETS;

/// The seeds of each folder in `fuzz/seeds`.
fn seeds() -> BTreeMap<String, Vec<Vec<u8>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let names = |folder: &Path| -> Vec<_> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let folders = names(&root).into_iter().map(|folder| {
        let files = names(&folder).iter().map(fs::read).collect::<Result<_, _>>();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        (name, files.unwrap_or_default())
    });
    folders.collect()
}

#[test]
fn every_target_has_seeds_and_every_folder_of_seeds_a_target() {
    let seeds = seeds();
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(seeds.keys().collect::<Vec<_>>(), names, "folders in fuzz/seeds, and TARGETS by name");
    for (name, seeds) in seeds {
        assert!(!seeds.is_empty(), "fuzz/seeds/{name} is empty");
    }
}

#[test]
fn seeds_and_their_neighbours_are_survived() {
    let seeds = seeds();
    for target in TARGETS {
        for seed in seeds.get(target.name).into_iter().flatten() {
            (target.run)(seed);
            for at in 0..seed.len() {
                (target.run)(&seed[..at]);
                (target.run)(&[&seed[..at], &seed[at + 1..]].concat());
                for byte in *b"\0\n \"$()[\\}=\xff" {
                    (target.run)(&[&seed[..at], &[byte], &seed[at + 1..]].concat());
                }
            }
        }
    }
}

#[test]
fn repeated_input_is_survived() {
    let pieces: &[&[u8]] = &[
        b"(", b")", b"not ", b"a and ", b"a or (", b"${A:-", b"$", b"*a", b"[", b"[:", b"\\", b"\"", b"K=",
        b" a=b", b"1h", b"\xff",
    ];
    for target in TARGETS {
        for piece in pieces {
            (target.run)(&piece.repeat(4096 / piece.len()));
        }
    }
}
