//! Decrypts and reads a verified notice.

use crate::{
    app::App,
    fault::{Code, Fault, Stop},
    notification::{Opened, Verified},
    stage::Stage,
};
use channel::notice::{self, Kind};

/// Over the keys.
pub struct OpenNotice(pub App);

impl Stage<Verified> for OpenNotice {
    type Out = Opened;

    async fn run(&self, Verified(identified): Verified) -> Result<Opened, Stop> {
        let account = &identified.account;
        let malformed = |e: &dyn std::fmt::Display| Stop::from(Fault::of(Code::MalformedRequest).inside(e));
        let sealed = notice::sealed(account, &identified.received.body).map_err(|e| malformed(&e.kind()))?;
        let says = match sealed {
            None => notice::read(account, &identified.received.body, Kind::Open),
            Some(sealed) => {
                let plain = self.0.keys().open(&sealed.key, &sealed.nonce, &sealed.associated_data, &sealed.ciphertext).map_err(|e| malformed(&e))?;
                notice::read(account, &plain, sealed.kind)
            }
        };
        let says = says.map_err(|e| malformed(&e.kind()))?;
        Ok(Opened { notice: identified, says })
    }
}
