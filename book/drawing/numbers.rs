//! Numbers as people read them.

/// A number with a comma before each three digits.
pub fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_a_group() {
        let numbers = [0, 999, 1000, 12345, 123456, 1234567].map(with_commas);
        assert_eq!(
            numbers,
            ["0", "999", "1,000", "12,345", "123,456", "1,234,567"]
        );
    }
}
