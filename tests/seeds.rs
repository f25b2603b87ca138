//! Every fuzz target compiles against the crates as they are, and takes each of its seeds. The fuzz program itself is built
//! with coverage counters and outside the workspace, so nothing else here would notice that it does not build.

#[allow(dead_code, unsafe_code, clippy::all, clippy::pedantic, clippy::restriction)]
#[path = "fuzz/src/targets/mod.rs"]
mod targets;

use std::{fs, path::Path};

#[test]
fn each_fuzz_target_takes_its_seeds() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let names: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
    for folder in fs::read_dir(&seeds).expect("seeds").flatten() {
        let path = folder.path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(
            !path.is_dir() || names.contains(&name),
            "seeds of no target: {name}"
        );
    }
    for (name, target) in targets::ALL {
        target(b"");
        let Ok(folder) = fs::read_dir(seeds.join(name)) else {
            continue;
        };
        for seed in folder.flatten() {
            target(&fs::read(seed.path()).expect("a seed"));
        }
    }
}
