//! Phone numbers as the destination takes them: `+`, the country's code, the number.

/// Countries with the code of their numbers, and what stands before a number that is dialled within the country.
/// Whether a number exists is for the shop to say; the crates that know it bring tens of others along.
const COUNTRIES: &str = "\
    AE 971 0, AR 54 0, AT 43 0, AU 61 0, BE 32 0, BG 359 0, BR 55 0, CA 1 1, CH 41 0, CL 56, CN 86 0, CO 57, \
    CY 357, CZ 420, DE 49 0, DK 45, EE 372, EG 20 0, ES 34, FI 358 0, FR 33 0, GB 44 0, GR 30, HK 852, \
    HR 385 0, HU 36 06, ID 62 0, IE 353 0, IL 972 0, IN 91 0, IS 354, IT 39, JP 81 0, KE 254 0, KR 82 0, \
    LT 370 0, LU 352, LV 371, MA 212 0, MT 356, MX 52, MY 60 0, NG 234 0, NL 31 0, NO 47, NZ 64 0, PE 51 0, \
    PH 63 0, PK 92 0, PL 48, PT 351, RO 40 0, RS 381 0, SA 966 0, SE 46 0, SG 65, SI 386 0, SK 421 0, \
    TH 66 0, TR 90 0, TW 886 0, UA 380 0, US 1 1, VN 84 0, ZA 27 0";

/// A country whose numbers can be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Country {
    code: &'static str,
    trunk: &'static str,
}

impl Country {
    /// The country of a two-letter code.
    pub(super) fn parse(name: &str) -> Option<Self> {
        COUNTRIES.split(", ").find_map(|country| {
            let mut words = country.split(' ');
            (words.next() == Some(name)).then_some(())?;
            Some(Self { code: words.next()?, trunk: words.next().unwrap_or_default() })
        })
    }

    /// The number in full; none where it has letters, or a length that no number has.
    pub(super) fn complete(self, number: &str) -> Option<String> {
        let number = number.trim();
        let inland = !number.starts_with('+') && !number.starts_with("00");
        // In `+44 (0)20…` the bracket says what to leave out from abroad.
        let number = if inland { number.to_owned() } else { number.replacen("(0)", "", 1) };
        let unmarked = number.strip_prefix('+').unwrap_or(&number);
        let digits: String =
            unmarked.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/' | '\u{a0}')).collect();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let full = if !inland {
            digits.strip_prefix("00").unwrap_or(&digits).to_owned()
        } else {
            format!("{}{}", self.code, digits.strip_prefix(self.trunk).unwrap_or(&digits))
        };
        (8..=15).contains(&full.len()).then(|| format!("+{full}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_completed_by_its_country_and_one_from_abroad_is_kept() {
        let complete = |country, number| Country::parse(country).unwrap().complete(number);
        for (country, number, full) in [
            ("FR", "06 12 34 56 78", "+33612345678"),
            ("FR", "+44 (0)20 7946 0018", "+442079460018"),
            ("FR", "0049 30 901820", "+4930901820"),
            ("US", "(415) 555-0132", "+14155550132"),
            ("US", "1-415-555-0132", "+14155550132"),
            ("IT", "06 6982", "+39066982"),
            ("HU", "06 1 234 5678", "+3612345678"),
        ] {
            assert_eq!(complete(country, number).as_deref(), Some(full), "{country} {number}");
        }
        for wrong in ["", "+", "12", "call me", "+33 6 12 34 56 78 90 12 34 56"] {
            assert_eq!(complete("FR", wrong), None, "{wrong}");
        }
        assert_eq!(Country::parse("fr"), None);
    }
}
