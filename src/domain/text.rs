//! Vietnamese text: NFC at every edge, folding for comparison, collation for lists.
//!
//! Folded text is for comparing only: it merges different words (tồn, tôn, ton), so it is never stored or shown and
//! never an identity. Decoding of legacy encodings (VNI, TCVN3) does not live here.

use std::sync::LazyLock;

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Text as it is stored and shown: NFC, no invisible characters, ordinary spaces, trimmed.
///
/// Runs of ordinary spaces and line breaks inside are kept, since codes are opaque.
#[must_use]
pub fn nfc(text: &str) -> String {
    // As nearly all is: nothing needs looking up.
    if text.chars().all(|c| bare(c).is_some()) {
        return text.trim().to_owned();
    }
    let is_plain = |c: char| !is_invisible(c) && !is_odd_space(c);
    if text.is_ascii() || (is_nfc_quick(text.chars()) == IsNormalized::Yes && text.chars().all(is_plain)) {
        return text.trim().to_owned();
    }
    let visible = text
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if is_odd_space(c) { ' ' } else { c });
    let composed: String = visible.nfc().collect();
    composed.trim().to_owned()
}

/// The matching form: no case, no diacritics, single spaces, no punctuation at the ends.
///
/// With the tones gone the old and new placement agree: `hoà` and `hòa`, `Ủy ban` and `Uỷ ban`.
#[must_use]
pub fn fold(text: &str) -> String {
    let letters: Option<String> = text.chars().map(bare).collect();
    let bare = letters.unwrap_or_else(|| without_marks(&nfc(text)));
    let mut folded = String::with_capacity(bare.len());
    for word in bare.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    let ends = folded.trim_matches(|c: char| !c.is_alphanumeric());
    match ends.len() == folded.len() {
        true => folded,
        false => ends.to_owned(),
    }
}

/// The small letters of a text in NFC without their marks.
fn without_marks(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .map(|c| if is_d_with_stroke(c) { 'd' } else { c })
        .nfd()
        .filter(|c| !('\u{300}'..='\u{36F}').contains(c))
        .collect()
}

/// What [`without_marks`] makes of one character of ASCII or one whole letter of Latin, which never depends on what stands
/// beside it while that is such a one too: folding goes through every word of every ticket. `None` for all else.
fn bare(c: char) -> Option<char> {
    /// By code point; 0 where there is no such letter.
    static LETTERS: LazyLock<[u8; 0x1F00]> = LazyLock::new(|| {
        let mut letters = [0; 0x1F00];
        for c in ('\u{C0}'..='\u{24F}').chain('\u{1E00}'..='\u{1EFF}') {
            let text = c.to_string();
            let is_stored = is_nfc_quick(text.chars()) == IsNormalized::Yes;
            if let ([letter], true) = (without_marks(&text).as_bytes(), is_stored) {
                letters[c as usize] = *letter;
            }
        }
        letters
    });
    if c.is_ascii() {
        return Some(c.to_ascii_lowercase());
    }
    let letter = LETTERS.get(c as usize).copied();
    letter.filter(|letter| *letter != 0).map(char::from)
}

/// Text in its matching form: equal to another where they match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folded(String);

impl Folded {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text folds to this. Most differ within their first letters, and need not be folded to the end.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        let mut own = self.0.chars();
        for c in text.trim_start_matches(|c: char| !c.is_alphanumeric()).chars() {
            match (bare(c), own.next()) {
                (Some(c), Some(own)) if c == own => {}
                (Some(c), Some(own)) if c.is_alphanumeric() && own.is_alphanumeric() => return false,
                _ => return self.0 == fold(text),
            }
        }
        own.next().is_none()
    }
}

impl<T: AsRef<str>> From<T> for Folded {
    fn from(text: T) -> Folded {
        let text = text.as_ref();
        // Numbers, flags and codes mostly are what folding makes of them.
        let is_folded = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        Folded(if is_folded { text.to_owned() } else { fold(text) })
    }
}

/// The letters of Vietnamese without their marks, case kept: for names in places that hold ASCII only.
#[must_use]
pub fn unaccented(text: &str) -> String {
    let plain = nfc(text)
        .chars()
        .map(|c| match c {
            'đ' | 'ð' => 'd',
            'Đ' | 'Ð' => 'D',
            other => other,
        })
        .collect::<String>();
    plain.nfd().filter(|c| !is_combining_mark(*c)).collect()
}

/// A key that sorts as Vietnamese dictionaries (CLDR `vi`) do: letters first, then tones, then case.
///
/// `a ă â … d đ e ê … o ô ơ … u ư`, tones in the order ngang, huyền, hỏi, ngã, sắc, nặng.
#[must_use]
pub fn vi_sort_key(text: &str) -> impl Ord + Clone + use<> {
    let composed = nfc(text);
    let mut letters: Vec<Letter> = Vec::new();
    let mut tones: Vec<u32> = Vec::new();
    for c in composed.chars().flat_map(char::to_lowercase).nfd() {
        match (letters.last_mut(), tones.last_mut()) {
            (Some(letter), Some(tone)) if is_combining_mark(c) => match shape_of(c) {
                Some(shape) => letter.shape = shape,
                None => *tone = tone_rank(c),
            },
            _ => {
                letters.push(Letter::of(c));
                tones.push(0);
            }
        }
    }
    let capitals: Vec<bool> = composed.chars().map(char::is_uppercase).collect();
    (letters, tones, capitals)
}

/// What counts first in collation. Spaces and signs come before digits, digits before letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Letter {
    class: u8,
    base: char,
    shape: u8,
}

impl Letter {
    fn of(c: char) -> Letter {
        if is_d_with_stroke(c) {
            return Letter {
                class: 2,
                base: 'd',
                shape: 1,
            };
        }
        let class = if c.is_alphabetic() {
            2
        } else if c.is_numeric() {
            1
        } else {
            0
        };
        Letter {
            class,
            base: c,
            shape: 0,
        }
    }
}

/// The marks that make another letter of the alphabet: ă, then â ê ô, then ơ ư.
fn shape_of(mark: char) -> Option<u8> {
    match mark {
        '\u{306}' => Some(1),
        '\u{302}' => Some(2),
        '\u{31B}' => Some(3),
        _ => None,
    }
}

fn tone_rank(mark: char) -> u32 {
    match mark {
        '\u{300}' => 1,
        '\u{309}' => 2,
        '\u{303}' => 3,
        '\u{301}' => 4,
        '\u{323}' => 5,
        // A mark that Vietnamese does not use: after the tones, in a fixed order.
        other => u32::from(other),
    }
}

/// `đ` has no decomposition, and old pages print the Icelandic `Ð` (U+00D0) in its place.
fn is_d_with_stroke(c: char) -> bool {
    matches!(c, 'đ' | 'Đ' | 'ð' | 'Ð')
}

/// Among them the marks that turn the direction of writing, with which a line can be made to read as another.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}'
    )
}

fn is_odd_space(c: char) -> bool {
    matches!(
        c,
        '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{2028}' | '\u{2029}' | '\u{202F}' | '\u{205F}' | '\u{3000}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decomposed_text_becomes_composed() {
        assert_eq!(nfc("e\u{302}\u{301}"), "\u{1EBF}");
        assert_eq!(nfc("Tie\u{302}\u{301}ng Vie\u{323}\u{302}t"), "Tiếng Việt");
        // Windows-1258 keeps the tone apart from the letter.
        assert_eq!(nfc("\u{EA}\u{303}"), "ễ");
    }

    #[test]
    fn what_word_processors_leave_behind_goes_and_line_breaks_stay() {
        assert_eq!(nfc("\u{FEFF}112\u{A0}\u{200B}phản ánh "), "112 phản ánh");
        assert_eq!(nfc("PA  01\nPA 02"), "PA  01\nPA 02");
        assert_eq!(nfc(" \u{200B} "), "");
    }

    #[test]
    fn folding_drops_case_marks_and_the_stroke_of_d() {
        let check = |text: &str, expect: &str| assert_eq!(fold(text), expect, "{text}");
        check("Đặng Minh Anh", "dang minh anh");
        check("\u{D0}iều 147", "dieu 147");
        check("ĐỒNG  THÁP", "dong thap");
        check("Ưu tiên, ngõ Mỹ Quí", "uu tien, ngo my qui");
        check("“Công an tỉnh.”", "cong an tinh");
        check("  \u{A0}Đã xử lý!  ", "da xu ly");
        check("---", "");
    }

    #[test]
    fn without_marks_the_case_stays() {
        assert_eq!(
            unaccented("Sở Y tế, Đồng Tháp; đường Ðiện Biên"),
            "So Y te, Dong Thap; duong Dien Bien"
        );
    }

    #[test]
    fn old_and_new_tone_placement_fold_to_the_same() {
        for (old, new) in [
            ("hòa", "hoà"),
            ("thủy", "thuỷ"),
            ("họa", "hoạ"),
            ("khỏe", "khoẻ"),
            ("Ủy ban", "Uỷ ban"),
        ] {
            assert_ne!(nfc(old), nfc(new));
            assert_eq!(fold(old), fold(new));
        }
    }

    #[test]
    fn lists_sort_as_in_a_vietnamese_dictionary() {
        let check = |expect: &[&str]| {
            let mut sorted = expect.to_vec();
            sorted.reverse();
            sorted.sort_by_key(|word| vi_sort_key(word));
            assert_eq!(sorted, expect);
        };
        check(&["anh", "áo", "ba", "cả", "cá", "cắt"]);
        check(&["ma", "mà", "mả", "mã", "má", "mạ"]);
        check(&["a", "ă", "â", "d", "đ", "e", "ê", "o", "ô", "ơ", "u", "ư", "z"]);
        check(&["Sở 2", "Sở Công Thương", "Sở Y tế", "Ủy ban nhân dân tỉnh"]);
        check(&["Cao Lãnh", "Châu Thành", "Đồng Tháp", "Hồng Ngự", "Tân Hồng"]);
        check(&["thành", "Thành", "thánh"]);
    }

    proptest! {
        #[test]
        fn both_forms_are_reached_in_one_step(text in "\\PC{0,24}") {
            let stored = nfc(&text);
            prop_assert_eq!(nfc(&stored), stored);
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }

        #[test]
        fn a_text_is_what_it_folds_to(
            text in "[ .“-]{0,2}[aAáĐđoO0\u{300}\u{31B}\u{200B}я]{0,3}[ .,]{0,2}[aAáĐđoO0\u{300}\u{31B}\u{200B}я]{0,2}[ .!]{0,2}",
            other in "[ ado0áя]{0,5}"
        ) {
            let (folded, wanted) = (Folded::from(&text), Folded::from(&other));
            prop_assert!(folded.is(&text));
            prop_assert_eq!(wanted.is(&text), wanted == folded);
        }

        #[test]
        fn letters_that_are_looked_up_fold_as_those_that_are_taken_apart(
            text in "[ -~\u{C0}-\u{24F}\u{1E00}-\u{1EFF}\u{300}-\u{310}\u{AD}\u{A0}\u{200B}]{0,12}"
        ) {
            let composed = text.chars().filter(|c| !is_invisible(*c)).map(|c| if is_odd_space(c) { ' ' } else { c });
            let composed: String = composed.nfc().collect();
            let bare = without_marks(&composed);
            let words: Vec<&str> = bare.split_whitespace().collect();
            let whole = words.join(" ");
            prop_assert_eq!(fold(&text), whole.trim_matches(|c: char| !c.is_alphanumeric()));
            prop_assert_eq!(nfc(&text), composed.trim());
        }
    }
}
