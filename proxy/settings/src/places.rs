//! Places for connections: few for each source, so that no host alone can keep everybody else out.

use parking_lot::Mutex;
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// That connections were refused is logged once in so long.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Those of one listener.
pub struct Places {
    listener: &'static str,
    most: usize,
    most_per_source: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    of: HashMap<IpAddr, usize>,
    all: usize,
    /// Refused since the log was told, and when that was.
    refused: u64,
    told: Option<Instant>,
}

/// One of them, until it is dropped.
pub struct Place {
    places: Arc<Places>,
    source: IpAddr,
}

impl Places {
    /// So many connections at once, and so many of them from one source.
    pub fn new(listener: &'static str, most: usize, most_per_source: usize) -> Arc<Places> {
        Arc::new(Places {
            listener,
            most,
            most_per_source,
            taken: Mutex::default(),
        })
    }

    /// A place for a peer; `None` if its source has enough of them, or none is left.
    pub fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let (source, mut taken) = (source(peer), self.taken.lock());
        let own = taken.of.get(&source).copied().unwrap_or_default();
        if own >= self.most_per_source || taken.all >= self.most {
            taken.refuse(self.listener, own);
            return None;
        }
        taken.of.insert(source, own + 1);
        taken.all += 1;
        Some(Place {
            places: self.clone(),
            source,
        })
    }
}

impl Taken {
    fn refuse(&mut self, listener: &str, of_source: usize) {
        self.refused += 1;
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < TOLD_EVERY) {
            return;
        }
        self.told = Some(now);
        let refused = std::mem::take(&mut self.refused);
        tracing::warn!(
            listener,
            refused,
            of_source,
            open = self.all,
            "connections were refused: too many at once"
        );
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        if let Some(own) = taken.of.get_mut(&self.source) {
            *own -= 1;
            if *own == 0 {
                taken.of.remove(&self.source);
            }
        }
    }
}

/// A host with IPv6 has a whole /64.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(of) => Ipv6Addr::from_bits(of.to_bits() >> 64 << 64).into(),
        of => of,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 512;
    const MOST_PER_SOURCE: usize = 32;

    #[test]
    fn a_source_has_its_share_and_gives_it_back() {
        let places = Places::new("pages", MOST, MOST_PER_SOURCE);
        let at = |text: &str| places.take(text.parse().expect("an address"));
        let mut own: Vec<_> = (0..MOST_PER_SOURCE).map(|_| at("192.0.2.1")).collect();
        assert!(own.iter().all(Option::is_some));
        assert!(at("192.0.2.1").is_none() && at("::ffff:192.0.2.1").is_none());
        assert!(at("192.0.2.2").is_some());
        own.pop();
        assert!(at("192.0.2.1").is_some());
        let host: Vec<_> = (0..MOST_PER_SOURCE)
            .map(|n| at(&format!("2001:db8::{n:x}")))
            .collect();
        assert!(host.iter().all(Option::is_some) && at("2001:db8::ffff:1").is_none());
        assert!(at("2001:db8:0:1::1").is_some());
        let most = MOST - own.len() - host.len();
        let others: Vec<_> = (0..most)
            .map(|n| at(&format!("10.0.{}.{}", n / 250, n % 250)))
            .collect();
        assert!(others.iter().all(Option::is_some) && at("192.0.2.9").is_none());
        drop((own, host, others));
        let taken = places.taken.lock();
        assert!(taken.of.is_empty() && taken.all == 0 && taken.refused > 0 && taken.told.is_some());
    }
}
