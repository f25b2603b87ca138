//! Decrypts and reads a verified notice.

use crate::{
    app::App,
    fault::{Code, Fault, Stop},
    notification::{Opened, Verified},
    stage::Stage,
};
use channel::notice::{self, Kind};
use domain::Keys;
use zeroize::Zeroizing;

/// Over the keys.
pub struct OpenNotice(pub App);

impl Stage<Verified> for OpenNotice {
    type Out = Opened;

    async fn run(&self, Verified(identified): Verified) -> Result<Opened, Stop> {
        let account = &identified.account;
        let malformed = |e: &dyn std::fmt::Display| Stop::from(Fault::of(Code::MalformedRequest).inside(e));
        let body = &identified.received.body;
        if let Some((key, sealed)) = notice::unsigned(account, body).map_err(|e| malformed(&e.kind()))? {
            let opened = self.0.keys().open_v2(&key, &sealed).map_err(|e| malformed(&e))?;
            let says = notice::read_unsigned(&opened).map_err(|e| malformed(&e.kind()))?;
            return Ok(Opened {
                notice: identified,
                says: Some(says),
            });
        }
        let sealed = notice::sealed(account, &identified.received.body).map_err(|e| malformed(&e.kind()))?;
        let says = match sealed {
            None => notice::read_at(
                account,
                &identified.received.body,
                Kind::Open,
                identified.received.at,
            ),
            Some(sealed) => match open(self.0.keys(), &sealed) {
                Ok(plain) => notice::read(account, &plain, sealed.kind),
                // Verified all the same: it is put on record by its digest and goes on to the merchant.
                Err(certs::KeyError::Unknown(_)) if identified.facts.keys == Keys::Merchant => {
                    return Ok(Opened {
                        notice: identified,
                        says: None,
                    });
                }
                Err(error) => return Err(malformed(&error)),
            },
        };
        let says = says.map_err(|e| malformed(&e.kind()))?;
        Ok(Opened {
            notice: identified,
            says: Some(says),
        })
    }
}

fn open(keys: &certs::Keys, sealed: &notice::Resource) -> Result<Zeroizing<Vec<u8>>, certs::KeyError> {
    let (key, nonce) = (&sealed.key, &sealed.nonce);
    match sealed.sm4 {
        true => keys.open_sm4(key, nonce, &sealed.associated_data, &sealed.ciphertext),
        false => keys.open(key, nonce, &sealed.associated_data, &sealed.ciphertext),
    }
}
