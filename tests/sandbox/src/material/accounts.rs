//! One merchant's credentials at all channels, and the channels' own keys towards it.

use super::ca::set_validity;
use super::unionpay::{House, UnionpayAccount};
use super::{MaterialError, gm, make_dir, random, write};
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SerialNumber,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A merchant as the demo knows it; file names are relative to the material's directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SandboxMerchant {
    /// The account at WeChat Pay.
    pub wechat: WechatAccount,
    /// The account at Alipay.
    pub alipay: AlipayAccount,
    /// The account at UnionPay.
    pub unionpay: UnionpayAccount,
    /// The account at the Baidu wallet.
    pub baidu: BaiduAccount,
    /// The account at CCB.
    pub ccb: CcbAccount,
    /// The account at ICBC.
    pub icbc: IcbcAccount,
    /// The account at CMB.
    pub cmb: CmbAccount,
    /// Keys only the channel itself has; no part of what a merchant is given.
    pub channel_keys: ChannelKeys,
}

impl SandboxMerchant {
    /// The account's number at this channel, by the channel's name in small letters; empty for any other word.
    pub fn account(&self, channel: &str) -> &str {
        match channel {
            "wechat" => &self.wechat.mchid,
            "alipay" => &self.alipay.app_id,
            "unionpay" => &self.unionpay.mer_id,
            "baidu" => &self.baidu.sp_no,
            "ccb" => &self.ccb.pos_id,
            "icbc" => &self.icbc.mer_id,
            "cmb" => &self.cmb.number,
            _ => "",
        }
    }
}

/// An account at WeChat Pay, APIv3.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WechatAccount {
    /// Application id.
    pub appid: String,
    /// Secret of that application, 32 characters; it asks whose code of authorisation it is.
    pub app_secret: String,
    /// Application id of the merchant's mini program, bound to the same merchant number.
    pub mini_appid: String,
    /// Applications of other merchants that are bound to this merchant number too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shared_appids: Vec<String>,
    /// Merchant number.
    pub mchid: String,
    /// Merchant numbers that may be paid under this one: it is a service provider (服务商) for them.
    #[serde(default)]
    pub sub_mchids: Vec<String>,
    /// The mini program of each of them, in their order.
    #[serde(default)]
    pub sub_appids: Vec<String>,
    /// Serial of the merchant API certificate, 40 hex digits.
    pub serial: String,
    /// The merchant's private key, PKCS#8 PEM.
    pub key_file: String,
    /// The merchant API certificate.
    pub cert_file: String,
    /// APIv3 key, 32 ASCII characters.
    pub apiv3_key: String,
    /// APIv2 key, 32 ASCII characters.
    pub apiv2_key: String,
    /// Serial of WeChat's platform certificate, 40 hex digits.
    pub platform_serial: String,
    /// WeChat's platform certificate.
    pub platform_cert_file: String,
    /// Id of WeChat's public key, `PUB_KEY_ID_…`.
    pub public_key_id: String,
    /// WeChat's public key.
    pub public_key_file: String,
    /// 国密: the merchant's SM2 private key, PKCS#8 PEM. It signs under the same serial.
    pub sm2_key_file: String,
    /// Its public half.
    pub sm2_public_file: String,
    /// WeChat's SM2 public key, under the same id as its public key.
    pub sm2_platform_file: String,
}

impl WechatAccount {
    /// The application that is bound to this sub-merchant.
    pub fn sub_app(&self, sub_mchid: &str) -> Option<&str> {
        let mut all = self.sub_mchids.iter().zip(&self.sub_appids);
        all.find(|(own, _)| *own == sub_mchid).map(|(_, appid)| &**appid)
    }

    /// Whether an application is bound to this merchant number.
    pub fn has_app(&self, appid: &str) -> bool {
        appid == self.appid || appid == self.mini_appid || self.shared_appids.iter().any(|own| own == appid)
    }
}

/// An application at Alipay; the same keys serve public-key mode and certificate mode.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AlipayAccount {
    /// Application id.
    pub app_id: String,
    /// The seller's user id, 2088….
    pub seller_id: String,
    /// The application's private key, PKCS#8 PEM.
    pub private_key_file: String,
    /// Alipay's public key.
    pub alipay_public_key_file: String,
    /// appCertPublicKey.crt.
    pub app_cert_file: String,
    /// alipayCertPublicKey_RSA2.crt.
    pub alipay_cert_file: String,
    /// alipayRootCert.crt.
    pub root_cert_file: String,
    /// Key for the encryption of contents (接口内容加密): base64 of 16 octets, for AES-128-CBC.
    pub aes_key: String,
}

/// An account at the Baidu wallet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BaiduAccount {
    /// The merchant's number, ten digits.
    pub sp_no: String,
    /// The key that stands behind texts, 32 ASCII characters.
    pub key: String,
}

/// An account at CCB.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CcbAccount {
    /// `MERCHANTID`, fifteen digits.
    pub merchant_id: String,
    /// `POSID`, nine digits.
    pub pos_id: String,
    /// `BRANCHID`, nine digits.
    pub branch_id: String,
    /// The counter's public key, hex; its last thirty characters are `PUB`.
    pub public_key: String,
    /// `QUPWD`.
    pub query_password: String,
}

/// An account at ICBC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IcbcAccount {
    /// `merID`.
    pub mer_id: String,
    /// `merAcct`, nineteen digits.
    pub mer_acct: String,
    /// The merchant's private key, PKCS#8 PEM.
    pub key_file: String,
    /// The merchant's certificate.
    pub cert_file: String,
    /// The same as `merCert` has it: base64 of DER.
    pub certificate: String,
    /// The bank's certificate.
    pub bank_cert_file: String,
}

/// An account at CMB.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CmbAccount {
    /// `branchNo`, four digits, and `merchantNo`, six.
    pub number: String,
    /// The key that stands behind texts, sixteen letters and digits.
    pub key: String,
    /// The bank's public key (`fbPubKey`), PEM.
    pub bank_key_file: String,
}

/// The channels' private keys towards one merchant.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelKeys {
    /// Key of WeChat's platform certificate.
    pub wechat_platform: String,
    /// Key behind WeChat's public-key id.
    pub wechat_public_key: String,
    /// WeChat's SM2 key.
    pub wechat_sm2: String,
    /// Alipay's key.
    pub alipay: String,
    /// The counter's key at CCB.
    pub ccb: String,
    /// ICBC's key.
    pub icbc: String,
    /// CMB's key.
    pub cmb: String,
}

pub(super) fn generate(dir: &Path, number: usize, house: &House) -> Result<SandboxMerchant, MaterialError> {
    let place = Place {
        root: dir,
        name: format!("merchant-{number}"),
    };
    for part in ["wechat", "alipay", "icbc", "cmb", "channel"] {
        make_dir(&dir.join(&place.name).join(part))?;
    }
    let (wechat, [wechat_platform, wechat_public_key, wechat_sm2]) = wechat(&place, number)?;
    let (alipay, alipay_key) = alipay(&place, number)?;
    let counter = rsa_key()?;
    let (icbc, icbc_key) = icbc(&place, number)?;
    let merchants_bank = rsa_key()?;
    Ok(SandboxMerchant {
        wechat,
        alipay,
        unionpay: house.merchant(dir, number)?,
        baidu: BaiduAccount {
            sp_no: format!("{}", 9_000_100_005_u64 + number as u64),
            key: letters::<32>()?,
        },
        ccb: CcbAccount {
            merchant_id: format!("{}", 105_000_000_000_001_u64 + number as u64),
            pos_id: format!("{:09}", 41_265_001 + number),
            branch_id: "442000000".to_owned(),
            public_key: hex::encode(counter.subject_public_key_info()),
            query_password: letters::<8>()?,
        },
        icbc,
        cmb: CmbAccount {
            number: format!("0755{:06}", 54 + number),
            key: letters::<16>()?,
            bank_key_file: place.put("cmb/fb_pub_key.pem", &merchants_bank.public_key_pem())?,
        },
        channel_keys: ChannelKeys {
            wechat_platform,
            wechat_public_key,
            wechat_sm2,
            alipay: alipay_key,
            ccb: place.put("channel/ccb_counter_key.pem", &counter.serialize_pem())?,
            icbc: icbc_key,
            cmb: place.put("channel/cmb_key.pem", &merchants_bank.serialize_pem())?,
        },
    })
}

struct Place<'a> {
    root: &'a Path,
    name: String,
}

impl Place<'_> {
    fn put(&self, file: &str, text: &str) -> Result<String, MaterialError> {
        let relative = format!("{}/{file}", self.name);
        write(&self.root.join(&relative), text)?;
        Ok(relative)
    }
}

fn wechat(place: &Place<'_>, number: usize) -> Result<(WechatAccount, [String; 3]), MaterialError> {
    let mchid = format!("{}", 1_900_000_109 + number);
    let (issuer, _) = authority(&[
        (DnType::CountryName, "CN"),
        (DnType::CommonName, "Sandbox Tenpay.com Root CA"),
    ])?;
    let key = rsa_key()?;
    let (cert, serial) = certificate(&issuer, &key, &mchid, long_serial()?)?;
    let platform_key = rsa_key()?;
    let (platform_cert, platform_serial) =
        certificate(&issuer, &platform_key, "Tenpay.com sign", long_serial()?)?;
    let public_key = rsa_key()?;
    let (sm2_key, sm2_public) = gm::pair()?;
    let (sm2_own, sm2_platform) = gm::pair()?;
    let account = WechatAccount {
        appid: format!("wx{}", hex::encode(random::<8>()?)),
        app_secret: hex::encode(random::<16>()?),
        mini_appid: format!("wx{}", hex::encode(random::<8>()?)),
        shared_appids: Vec::new(),
        mchid,
        sub_mchids: (0..2)
            .map(|n| format!("{}", 1_610_000_101 + 2 * number + n))
            .collect(),
        sub_appids: (0..2)
            .map(|_| Ok(format!("wx{}", hex::encode(random::<8>()?))))
            .collect::<Result<_, MaterialError>>()?,
        serial,
        key_file: place.put("wechat/apiclient_key.pem", &key.serialize_pem())?,
        cert_file: place.put("wechat/apiclient_cert.pem", &cert)?,
        apiv3_key: letters::<32>()?,
        apiv2_key: letters::<32>()?,
        platform_serial,
        platform_cert_file: place.put("wechat/platform_cert.pem", &platform_cert)?,
        public_key_id: format!("PUB_KEY_ID_0{}", digits(31)?),
        public_key_file: place.put("wechat/pub_key.pem", &public_key.public_key_pem())?,
        sm2_key_file: place.put("wechat/sm2_key.pem", &sm2_key)?,
        sm2_public_file: place.put("wechat/sm2_pub.pem", &sm2_public)?,
        sm2_platform_file: place.put("wechat/sm2_platform_pub.pem", &sm2_platform)?,
    };
    let platform = place.put("channel/wechat_platform_key.pem", &platform_key.serialize_pem())?;
    let public = place.put("channel/wechat_public_key_key.pem", &public_key.serialize_pem())?;
    let sm2 = place.put("channel/wechat_sm2_key.pem", &sm2_own)?;
    Ok((account, [platform, public, sm2]))
}

fn alipay(place: &Place<'_>, number: usize) -> Result<(AlipayAccount, String), MaterialError> {
    // Country first, common name last: read backwards this is the CN,OU,O,C that certificate numbers are made of.
    let (issuer, root) = authority(&[
        (DnType::CountryName, "CN"),
        (DnType::OrganizationName, "Sandbox Ant Financial"),
        (DnType::OrganizationalUnitName, "Certification Authority"),
        (
            DnType::CommonName,
            "Sandbox Ant Financial Certification Authority R1",
        ),
    ])?;
    let app_id = format!("{}", 2_021_000_100_000_001_u64 + number as u64);
    let app_key = rsa_key()?;
    let (app_cert, _) = certificate(&issuer, &app_key, &app_id, dated_serial()?)?;
    let alipay_key = rsa_key()?;
    let (alipay_cert, _) = certificate(&issuer, &alipay_key, "alipay.com", dated_serial()?)?;
    let account = AlipayAccount {
        app_id,
        seller_id: format!("2088{}", digits(12)?),
        private_key_file: place.put("alipay/app_private_key.pem", &app_key.serialize_pem())?,
        alipay_public_key_file: place.put("alipay/alipay_public_key.pem", &alipay_key.public_key_pem())?,
        app_cert_file: place.put("alipay/appCertPublicKey.crt", &app_cert)?,
        alipay_cert_file: place.put("alipay/alipayCertPublicKey_RSA2.crt", &alipay_cert)?,
        aes_key: STANDARD.encode(random::<16>()?),
        root_cert_file: place.put("alipay/alipayRootCert.crt", &root_file(&root)?)?,
    };
    Ok((
        account,
        place.put("channel/alipay_key.pem", &alipay_key.serialize_pem())?,
    ))
}

fn icbc(place: &Place<'_>, number: usize) -> Result<(IcbcAccount, String), MaterialError> {
    let (issuer, _) = authority(&[
        (DnType::CountryName, "CN"),
        (DnType::CommonName, "Sandbox ICBC CA"),
    ])?;
    let (key, bank) = (rsa_key()?, rsa_key()?);
    let mer_id = format!("1001EC{}", 20_000_001 + number);
    let (cert, _) = certificate(&issuer, &key, &mer_id, long_serial()?)?;
    let (bank_cert, _) = certificate(&issuer, &bank, "ebb2cpublic", long_serial()?)?;
    let packed: String = cert.lines().filter(|line| !line.starts_with('-')).collect();
    let account = IcbcAccount {
        mer_id,
        mer_acct: format!("{}", 1_001_231_719_300_000_001_u64 + number as u64),
        key_file: place.put("icbc/user.pem", &key.serialize_pem())?,
        cert_file: place.put("icbc/user.crt", &cert)?,
        certificate: packed,
        bank_cert_file: place.put("icbc/ebb2cpublic.crt", &bank_cert)?,
    };
    Ok((account, place.put("channel/icbc_key.pem", &bank.serialize_pem())?))
}

/// Alipay's root file holds roots of other signature algorithms too, which certificate numbers skip; so does ours.
/// A published client cuts it at empty lines.
fn root_file(rsa_root: &str) -> Result<String, MaterialError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = name(&[
        (DnType::CountryName, "CN"),
        (DnType::OrganizationName, "Sandbox Ant Financial"),
        (DnType::OrganizationalUnitName, "Certification Authority"),
        (
            DnType::CommonName,
            "Sandbox Ant Financial Certification Authority E1",
        ),
    ]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    set_validity(&mut params, 20);
    let ecc_root = params
        .self_signed(&KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?)?
        .pem();
    Ok(format!("{}\n\n{}\n", ecc_root.trim_end(), rsa_root.trim_end()))
}

fn authority(parts: &[(DnType, &str)]) -> Result<(Issuer<'static, KeyPair>, String), MaterialError> {
    let key = rsa_key()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = name(parts);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.serial_number = Some(long_serial()?);
    set_validity(&mut params, 20);
    let cert = params.self_signed(&key)?.pem();
    Ok((Issuer::new(params, key), cert))
}

fn certificate(
    issuer: &Issuer<'static, KeyPair>,
    key: &KeyPair,
    common_name: &str,
    number: SerialNumber,
) -> Result<(String, String), MaterialError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = name(&[
        (DnType::CountryName, "CN"),
        (DnType::OrganizationName, "Guandao sandbox"),
        (DnType::CommonName, common_name),
    ]);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.serial_number = Some(number.clone());
    set_validity(&mut params, 5);
    Ok((
        params.signed_by(key, issuer)?.pem(),
        hex::encode_upper(number.to_bytes()),
    ))
}

fn name(parts: &[(DnType, &str)]) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    for (kind, value) in parts {
        name.push(kind.clone(), *value);
    }
    name
}

/// Twenty octets that begin like real ones and never with a zero nibble: 40 hex digits, positive.
fn long_serial() -> Result<SerialNumber, MaterialError> {
    let mut bytes = random::<20>()?;
    bytes[0] = 0x51 + bytes[0] % 16;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Sixteen octets of which the first is that of a year, as in Alipay's own certificates. Some clients compute a certificate's
/// number by an OpenSSL that writes a serial in decimal only below 128 bits.
fn dated_serial() -> Result<SerialNumber, MaterialError> {
    let mut bytes = random::<16>()?;
    bytes[0] = 0x20;
    Ok(SerialNumber::from_slice(&bytes))
}

fn rsa_key() -> Result<KeyPair, MaterialError> {
    Ok(KeyPair::generate_rsa_for(
        &rcgen::PKCS_RSA_SHA256,
        rcgen::RsaKeySize::_2048,
    )?)
}

fn letters<const N: usize>() -> Result<String, MaterialError> {
    const SET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyzABCDEFG23";
    Ok(random::<N>()?
        .iter()
        .map(|b| char::from(SET[usize::from(b % 32)]))
        .collect())
}

fn digits(count: usize) -> Result<String, MaterialError> {
    Ok(random::<64>()?
        .iter()
        .take(count)
        .map(|b| char::from(b'0' + b % 10))
        .collect())
}
