//! The settlement file of a day (channels.md 4.5): it comes in the answer.

use super::{Call, Outcome, Refusal};
use crate::channels::bills::{self, NoBill};

pub(super) fn of_day(call: &Call<'_>) -> Outcome {
    let fields = call.fields;
    for name in ["settleDate", "fileType"] {
        if fields.get(name).is_empty() {
            return Err(Refusal("13", format!("{name}不能为空")));
        }
    }
    for (name, wanted) in [("txnSubType", "01"), ("bizType", "000000"), ("fileType", "00")] {
        if fields.get(name) != wanted {
            return Err(Refusal("10", format!("{name}格式错误")));
        }
    }
    match bills::unionpay::file(call.world, call.number, call.merchant, fields.get("settleDate")) {
        Ok((content, name)) => Ok(vec![("fileContent", content), ("fileName", name)]),
        Err(NoBill::Date) => Err(Refusal("10", "settleDate格式错误".into())),
        // One word for both: nothing was settled that day, or its file is not made yet.
        Err(NoBill::None | NoBill::Late) => Err(Refusal("98", "文件不存在".into())),
    }
}
