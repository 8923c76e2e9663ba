//! Work that keeps a core busy for about a second.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};

/// How often the memory is gone through. Two or three times would do for a password.
const ROUNDS: u32 = 75;

/// Exercise 7.1: the room goes on while this works.
pub async fn slow() -> String {
    // TODO 7.1: let another thread do it, instead of the next line
    hash()
}

/// The hash of a password, as sign-up forms keep it.
fn hash() -> String {
    let parameters = Params::new(Params::DEFAULT_M_COST, ROUNDS, 1, None)
        .expect("these are allowed by RFC 9106");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    argon2
        .hash_password(b"correct horse battery staple")
        .expect("this system has random numbers")
        .to_string()
}
