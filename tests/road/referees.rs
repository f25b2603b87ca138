//! Published SDKs and verifiers drive the product.
