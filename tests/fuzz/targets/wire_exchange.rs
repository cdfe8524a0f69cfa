//! Messages of the peer port and the bodies that are signed: what decodes encodes again to something that decodes to
//! the same.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use prost::Message;
use symbolon_wire::v1::{
    ExchangeRequest, ExchangeResponse, HelloRequest, HelloResponse, JobAccept, JobAcceptBody, JobOffer, JobOfferBody,
    ProbeRequest, ProbeResponse, ProposeAgreementRequest, ReturnSignatureRequest, exchange_request, exchange_response,
};

/// Decodes a message and gives it back if it is one.
fn check<M: Message + Default + PartialEq + Debug>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let again = message.encode_to_vec();
    assert_eq!(again.len(), message.encoded_len());
    // Fields left unset and unknown ones take no bytes, and every other is written once.
    assert!(again.len() <= bytes.len() + M::default().encoded_len());
    let decoded = M::decode(again.as_slice()).expect("a message's own encoding");
    assert!(decoded == message, "the encoding of {message:?} gives {decoded:?}");
    assert_eq!(decoded.encode_to_vec(), again);
    Some(message)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (kind, bytes) = input;
    match kind % 8 {
        0 => {
            use exchange_request::Message as Inner;
            match check::<ExchangeRequest>(bytes).and_then(|request| request.message) {
                Some(Inner::Offer(offer)) => drop(check::<JobOfferBody>(&offer.body)),
                Some(Inner::Confirm(_) | Inner::Frame(_) | Inner::Evidence(_) | Inner::Abort(_) | Inner::Alive(_))
                | None => {}
            }
        }
        1 => {
            use exchange_response::Message as Inner;
            match check::<ExchangeResponse>(bytes).and_then(|response| response.message) {
                Some(Inner::Accept(accept)) => drop(check::<JobAcceptBody>(&accept.body)),
                Some(Inner::Frame(_) | Inner::Evidence(_) | Inner::Abort(_) | Inner::Alive(_)) | None => {}
            }
        }
        2 => drop(check::<JobOfferBody>(bytes)),
        3 => drop(check::<JobAcceptBody>(bytes)),
        4 => drop((check::<JobOffer>(bytes), check::<JobAccept>(bytes))),
        5 => drop((check::<HelloRequest>(bytes), check::<HelloResponse>(bytes))),
        6 => drop((check::<ProbeRequest>(bytes), check::<ProbeResponse>(bytes))),
        _ => drop((check::<ProposeAgreementRequest>(bytes), check::<ReturnSignatureRequest>(bytes))),
    }
});
