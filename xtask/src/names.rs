//! The names of a connector, put in place of those of the template.

/// What a connector is called.
#[derive(Debug)]
pub struct Names<'a> {
    /// The `type` of a connection, and the folder.
    name: &'a str,
    /// The vendor's own spelling.
    title: &'a str,
}

impl<'a> Names<'a> {
    /// # Errors
    /// A sentence for a name that can be no folder and module, or a title that can stand in no literal.
    pub fn new(name: &'a str, title: &'a str) -> Result<Self, String> {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(inner) {
            return Err(format!(
                "`{name}` is no name of a connector: take lower-case letters, digits and `_`"
            ));
        }
        if title.trim() != title
            || title.is_empty()
            || title.contains(|c: char| c.is_control() || "\"\\`{}".contains(c))
        {
            return Err(format!(
                "`{title}` is no title: take the vendor's own spelling, such as \"Customer.io\""
            ));
        }
        Ok(Names { name, title })
    }

    /// The text with these names: `template` is the name, `TEMPLATE` the same in capitals, `Template` at the beginning of a
    /// type's name the same in the style of types, and `Template` alone the title.
    pub fn put_into(&self, text: &str) -> String {
        let kind: String = self.name.split('_').map(capitalised).collect();
        let text = text.replace("template", self.name).replace("TEMPLATE", &self.name.to_uppercase());
        let mut parts = text.split("Template");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let is_type = part.starts_with(|c: char| c.is_ascii_uppercase());
            out.push_str(if is_type { &kind } else { self.title });
            out.push_str(part);
        }
        out
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_the_name_is_replaced() {
        let names = Names::new("mail_shop", "Mail.Shop").unwrap();
        let text = "//! Template: `${TEMPLATE_KEY}`\nuse crate::template::TemplateSession; // Template's";
        assert_eq!(
            names.put_into(text),
            "//! Mail.Shop: `${MAIL_SHOP_KEY}`\nuse crate::mail_shop::MailShopSession; // Mail.Shop's"
        );
    }

    #[test]
    fn what_can_be_no_name_is_refused() {
        for (name, title) in [
            ("Acme", "Acme"),
            ("1st", "First"),
            ("a-b", "A"),
            ("", "A"),
            ("../x", "X"),
            ("acme", ""),
            ("acme", "A\""),
        ] {
            assert!(Names::new(name, title).is_err(), "{name} {title}");
        }
    }
}
