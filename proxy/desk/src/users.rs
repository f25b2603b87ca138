//! The people who may sign in, and their passwords as argon2id.

use crate::config::Problem;
use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordVerifier, Version,
    password_hash::{PasswordHasher, SaltString},
};
use domain::OfficerId;
use std::{collections::BTreeMap, path::Path};

/// What somebody may do. Nobody may do alone what needs two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Reads, proposes, and decides what another officer proposed.
    Officer,
    /// Reads and decides, and never proposes: a second pair of eyes only.
    Supervisor,
    /// Reads.
    Regulator,
}

impl Role {
    /// May propose what becomes of a flag, and measures.
    pub fn may_propose(self) -> bool {
        self == Role::Officer
    }

    /// May agree to what another one proposed, or send it back; may have packages made.
    pub fn may_decide(self) -> bool {
        self != Role::Regulator
    }

    /// Its name in the file and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Officer => "officer",
            Role::Supervisor => "supervisor",
            Role::Regulator => "regulator",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Role::Officer, Role::Supervisor, Role::Regulator]
            .into_iter()
            .find(|r| r.as_str() == text)
            .ok_or(())
    }
}

/// One person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// Name.
    pub name: OfficerId,
    /// Role.
    pub role: Role,
    /// PHC string.
    hash: String,
}

/// Everybody, by name.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Users(BTreeMap<String, User>);

impl Users {
    /// Reads the file's text: a list of `[[users]]`, each with name, role and password.
    pub fn parse(text: &str) -> Result<Users, Vec<Problem>> {
        settings::read::read(text, |root| {
            let mut users = BTreeMap::new();
            root.each("users", |row| {
                let user = User {
                    name: row.parsed("name", "1 to 64 of 0-9 A-Z a-z _ - . @")?,
                    role: row.take("role", "officer, supervisor or regulator", |t| t.parse().ok())?,
                    hash: row.take(
                        "password",
                        "an argon2id PHC string, as hash-password prints it",
                        is_argon2id,
                    )?,
                };
                // Two names that differ in case only could be one person playing two.
                if users
                    .insert(user.name.as_str().to_ascii_lowercase(), user)
                    .is_some()
                {
                    row.problem(
                        "name",
                        None,
                        "the name stands twice",
                        "a person has one name, whatever its case",
                    );
                }
                Some(())
            });
            Users(users)
        })
    }

    /// Reads the file.
    pub fn load(path: &Path) -> Result<Users, Vec<String>> {
        let text = std::fs::read_to_string(path).map_err(|e| vec![format!("{}: {e}", path.display())])?;
        let named = |problem: Problem| format!("{}: {problem}", path.display());
        Users::parse(&text).map_err(|all| all.into_iter().map(named).collect())
    }

    /// Somebody by name.
    pub fn get(&self, name: &str) -> Option<&User> {
        self.0
            .get(&name.to_ascii_lowercase())
            .filter(|user| user.name.as_str() == name)
    }

    /// The person, if the password is right. Takes as long for a name that does not exist. Slow on purpose.
    pub fn check(&self, name: &str, password: &str) -> Option<User> {
        let user = self.get(name);
        let hash = user.map_or(NOBODY, |user| &user.hash);
        let right = PasswordHash::new(hash).is_ok_and(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
        });
        user.filter(|_| right).cloned()
    }
}

/// A hash with the costs of [`hash`] that no password opens (its output was drawn at random).
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGF0IGFsbA$3Jt0Y5lX0gnE9n6hVQF1S7Xv2m4dRkq8ZcWuB1yHoPs";

fn is_argon2id(text: &str) -> Option<String> {
    let hash = PasswordHash::new(text).ok()?;
    let lawful = hash.algorithm.as_str() == "argon2id" && hash.hash.is_some() && hash.salt.is_some();
    lawful.then(|| text.to_owned())
}

/// Hashes a password (argon2id, 19 MiB, 2 passes: the OWASP minimum).
pub fn hash(password: &str) -> anyhow::Result<String> {
    let params = Params::new(19_456, 2, 1, None).map_err(|e| anyhow::anyhow!("argon2: {e}"))?;
    hash_with(password, params)
}

/// Hashes with other costs; for demonstrations, whose passwords are on the screen.
pub fn hash_with(password: &str, params: Params) -> anyhow::Result<String> {
    let salt = SaltString::encode_b64(&crate::random::<16>()).map_err(|e| anyhow::anyhow!("salt: {e}"))?;
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon
        .hash_password(password.as_bytes(), &salt)
        .map_err(|e| anyhow::anyhow!("argon2: {e}"))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(rows: &[(&str, &str, &str)]) -> String {
        let row = |(name, role, password): &(&str, &str, &str)| {
            format!("[[users]]\nname = \"{name}\"\nrole = \"{role}\"\npassword = \"{password}\"\n")
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn a_password_opens_its_own_name_only() {
        let hash = hash("long enough").expect("hashed");
        let users =
            Users::parse(&file(&[("li", "officer", &hash), ("ren", "regulator", &hash)])).expect("lawful");
        assert_eq!(
            users.check("li", "long enough").map(|u| u.role),
            Some(Role::Officer)
        );
        assert!(users.check("li", "long enougH").is_none() && users.check("wang", "long enough").is_none());
        assert!(users.check("LI", "long enough").is_none(), "names are exact");
        assert!(users.check("nobody", "").is_none());
        assert!(
            PasswordHash::new(NOBODY).is_ok(),
            "the hash of nobody is well-formed, or it would be quick"
        );
    }

    #[test]
    fn every_problem_of_the_file_is_said() {
        let hash = hash("long enough").expect("hashed");
        let text = file(&[
            ("li", "officer", &hash),
            ("LI", "officer", &hash),
            ("a b", "boss", "secret"),
        ]);
        let problems = Users::parse(&text).expect_err("problems");
        assert!(problems.iter().any(|p| p.wrong.contains("twice")), "{problems:?}");
        assert!(problems.iter().all(|p| !p.to_string().contains("secret")));
        assert!(problems.len() >= 2, "{problems:?}");
    }
}
