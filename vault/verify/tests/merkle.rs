//! Properties of the Merkle proofs, for random sizes, against the recursive definition of RFC 6962.

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use verify::merkle::{
    Hash, ProofError, check_consistency, check_inclusion, consistency_proof, inclusion_proof, leaf_hash, root,
};

fn leaves(n: usize) -> Vec<Hash> {
    (0..n as u64).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

/// `MTH`, RFC 6962 section 2.1.
fn mth(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest(b"").into(),
        [one] => *one,
        many => {
            let half = (1..)
                .map(|e| 1 << e)
                .take_while(|k| *k < many.len())
                .last()
                .unwrap_or(1);
            Sha256::digest([&[1][..], &mth(&many[..half]), &mth(&many[half..])].concat()).into()
        }
    }
}

#[test]
fn the_known_roots_of_rfc_6962_test_data() {
    // The eight entries of the Certificate Transparency reference tests.
    let entries = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let leaves: Vec<_> = entries
        .iter()
        .map(|e| leaf_hash(&hex::decode(e).expect("hex")))
        .collect();
    let known = [
        (
            0,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ),
        (
            1,
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        ),
        (
            8,
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];
    for (size, expected) in known {
        assert_eq!(hex::encode(root(&leaves[..size])), expected, "size {size}");
    }
}

#[test]
fn every_pair_of_small_sizes() {
    for n in 0..=33 {
        let all = leaves(n);
        assert_eq!(root(&all), mth(&all));
        for i in 0..n {
            let proof = inclusion_proof(&all, i).expect("inside");
            assert_eq!(
                check_inclusion(i as u64, n as u64, all[i], &proof, &root(&all)),
                Ok(()),
                "{i} of {n}"
            );
        }
        for m in 0..=n {
            let proof = consistency_proof(&all, m).unwrap_or_default();
            let (old, new) = (root(&all[..m]), root(&all));
            assert_eq!(
                check_consistency((m as u64, &old), (n as u64, &new), &proof),
                Ok(()),
                "{m} in {n}"
            );
        }
    }
}

#[test]
fn outside_and_shrunk_are_said() {
    let (all, r) = (leaves(3), root(&leaves(3)));
    assert_eq!(
        check_inclusion(3, 3, all[0], &[], &r),
        Err(ProofError::Outside { index: 3, size: 3 })
    );
    assert_eq!(
        check_inclusion(0, 0, all[0], &[], &r),
        Err(ProofError::Outside { index: 0, size: 0 })
    );
    assert_eq!(
        check_consistency((4, &r), (3, &r), &[]),
        Err(ProofError::Shrunk { older: 4, newer: 3 })
    );
    assert!(inclusion_proof(&all, 3).is_none() && consistency_proof(&all, 4).is_none());
    assert!(
        check_consistency((0, &r), (3, &r), &[]).is_err(),
        "the empty tree has one root only"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn inclusion_holds_for_its_own_leaf_and_place_only(n in 1usize..700, seed: usize, at: usize, bit in 0u8..8) {
        let all = leaves(n);
        let (i, size, root) = (seed % n, n as u64, root(&all));
        let proof = inclusion_proof(&all, i).expect("inside");
        prop_assert_eq!(check_inclusion(i as u64, size, all[i], &proof, &root), Ok(()));
        let other = (i + 1 + at % n.max(2)) % n;
        if other != i {
            prop_assert!(check_inclusion(other as u64, size, all[i], &proof, &root).is_err());
            prop_assert!(check_inclusion(i as u64, size, all[other], &proof, &root).is_err());
        }
        let mut longer = proof.clone();
        longer.push([0; 32]);
        prop_assert!(check_inclusion(i as u64, size, all[i], &longer, &root).is_err());
        if !proof.is_empty() {
            prop_assert!(check_inclusion(i as u64, size, all[i], &proof[1..], &root).is_err());
            let mut bent = proof.clone();
            bent[at % proof.len()][at % 32] ^= 1 << bit;
            prop_assert!(check_inclusion(i as u64, size, all[i], &bent, &root).is_err());
        }
    }

    #[test]
    fn consistency_holds_for_true_prefixes_only(n in 1usize..700, seed: usize, at: usize, bit in 0u8..8) {
        let all = leaves(n);
        let m = 1 + seed % n;
        let (old, new) = (root(&all[..m]), root(&all));
        let proof = consistency_proof(&all, m).expect("not empty");
        let check = |old: &Hash, new: &Hash, proof: &[Hash]| check_consistency((m as u64, old), (n as u64, new), proof);
        prop_assert_eq!(check(&old, &new, &proof), Ok(()));
        let mut rewritten = all.clone();
        rewritten[at % m][0] ^= 1;
        prop_assert!(check(&root(&rewritten[..m]), &new, &proof).is_err());
        prop_assert!(check(&old, &root(&rewritten), &proof).is_err());
        let mut longer = proof.clone();
        longer.push([0; 32]);
        prop_assert!(check(&old, &new, &longer).is_err());
        if !proof.is_empty() {
            prop_assert!(check(&old, &new, &proof[..proof.len() - 1]).is_err());
            let mut bent = proof.clone();
            bent[at % proof.len()][at % 32] ^= 1 << bit;
            prop_assert!(check(&old, &new, &bent).is_err());
        }
    }

    #[test]
    fn root_is_the_recursive_one(n in 0usize..1500) {
        let all = leaves(n);
        prop_assert_eq!(root(&all), mth(&all));
    }
}
