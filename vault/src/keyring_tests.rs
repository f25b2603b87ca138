use super::*;

const DAY: i32 = 20_454;

struct Place {
    dir: tempfile::TempDir,
    locked: Locked,
}

impl Place {
    /// A keyring in force with one epoch.
    fn new() -> Place {
        let place = Place {
            dir: tempfile::tempdir().expect("a directory"),
            locked: Locked::default(),
        };
        place.files().store([place.epoch(1)].iter()).expect("stored");
        place
    }

    fn files(&self) -> Files {
        Files::of(&self.dir.path().join("keyring.json"))
    }

    fn epoch(&self, number: u32) -> Epoch {
        let (from, until) = (Day::from_number(DAY), Day::from_number(DAY + 89));
        Epoch {
            number,
            from,
            until,
            key: self.locked.random().expect("locked memory"),
            on_record: true,
        }
    }

    fn numbers(&self) -> Vec<u32> {
        self.files()
            .load(&self.locked)
            .expect("a start opens it")
            .iter()
            .map(|e| e.number)
            .collect()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).expect("readable");
        let mut names: Vec<_> = entries
            .map(|e| e.expect("readable").file_name().into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    /// Starts, and starts again: the keyring is there, and nothing else.
    fn opens_with(&self, numbers: &[u32]) {
        for start in 1..=2 {
            assert_eq!(self.numbers(), numbers, "start {start}");
            assert_eq!(self.names(), ["keyring.json", "keyring.root"], "start {start}");
        }
    }
}

#[test]
fn a_stop_after_any_step_leaves_a_keyring_that_opens() {
    for done in 0..=STEPS.len() {
        let place = Place::new();
        let files = place.files();
        files
            .prepare([place.epoch(1), place.epoch(2)].iter())
            .expect("prepared");
        STEPS[..done].iter().for_each(|step| step(&files).expect("done"));
        place.opens_with(if done == 0 { &[1] } else { &[1, 2] });
    }
}

#[test]
fn a_stop_while_a_start_goes_on_where_another_stopped_leaves_a_keyring_that_opens() {
    for done in 1..=STEPS.len() {
        for again in 0..=STEPS.len() {
            let place = Place::new();
            let files = place.files();
            files.prepare([place.epoch(2)].iter()).expect("prepared");
            STEPS[..done]
                .iter()
                .chain(&STEPS[..again])
                .for_each(|step| step(&files).expect("done"));
            place.opens_with(&[2]);
        }
    }
}

#[test]
fn names_that_became_durable_in_another_order_open_too() {
    let place = Place::new();
    let files = place.files();
    files.prepare([place.epoch(2)].iter()).expect("prepared");
    fs::rename(&files.new_keys, &files.keys).expect("renamed");
    place.opens_with(&[2]);
}

#[test]
fn a_new_pair_that_is_not_whole_changes_nothing() {
    type Damage = fn(&Files) -> io::Result<()>;
    let damages: [Damage; 4] = [
        |f| fs::remove_file(&f.new_root),
        |f| fs::remove_file(&f.new_keys),
        |f| fs::write(&f.new_keys, "[]"),
        |f| fs::write(&f.new_root, [0; 7]),
    ];
    for damage in damages {
        let place = Place::new();
        let files = place.files();
        files.prepare([place.epoch(2)].iter()).expect("prepared");
        damage(&files).expect("damaged");
        place.opens_with(&[1]);
    }
}

#[test]
fn a_first_keyring_whose_second_name_is_missing_opens_and_a_torn_one_begins_anew() {
    let place = Place {
        dir: tempfile::tempdir().expect("a directory"),
        locked: Locked::default(),
    };
    let files = place.files();
    files.prepare([place.epoch(1)].iter()).expect("prepared");
    fs::write(&files.new_keys, "[{").expect("torn");
    assert!(place.numbers().is_empty(), "nothing was in force yet");
    files.prepare([place.epoch(1)].iter()).expect("prepared");
    STEPS[..2].iter().for_each(|step| step(&files).expect("done"));
    place.opens_with(&[1]);
}

#[test]
//= C37
fn the_old_root_is_overwritten_once_the_new_pair_is_in_force_and_never_before() {
    let place = Place::new();
    let files = place.files();
    let old = fs::read(&files.root).expect("there");
    let beside = place.dir.path().join("another name of the old root");
    fs::hard_link(&files.root, &beside).expect("linked");
    let overwritten = || fs::read(&beside).expect("there") == [0; 32];
    files.prepare([place.epoch(2)].iter()).expect("prepared");
    for (n, step) in STEPS.iter().enumerate() {
        assert_eq!(overwritten(), n > 4, "before step {n}");
        step(&files).expect("done");
    }
    assert!(overwritten() && fs::read(&files.root).expect("there") != old);
}

#[test]
fn a_keyring_that_opens_under_no_root_is_named_damaged() {
    let place = Place::new();
    fs::write(place.files().root, [7; 32]).expect("written");
    assert!(matches!(
        place.files().load(&place.locked),
        Err(KeyringError::Damaged(..))
    ));
    fs::remove_file(place.files().root).expect("removed");
    assert!(matches!(
        place.files().load(&place.locked),
        Err(KeyringError::Damaged(..))
    ));
}
