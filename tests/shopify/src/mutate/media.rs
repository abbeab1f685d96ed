//! Files and the media of products. Shopify fetches them after it has answered: what is pushed is ready a little later, or
//! has failed.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::input::{arg, at_most, list, only};
use super::{Args, Desk, LARGEST_LIST, Out, Outcome, Problem, Written};
use crate::gid;
use crate::model::{Media, MediaContent, MediaStatus, Product, Variant};
use crate::resolve::FieldError;
use crate::shop::{ShopState, lock};

/// How long Shopify takes to fetch a file, in seconds.
const FETCHING: i64 = 2;
const KNOWN: [&str; 6] =
    ["id", "originalSource", "alt", "contentType", "filename", "duplicateResolutionMode"];

/// Ends the fetching of files whose time has come. What does not end like an image could not be read.
pub fn ripen(state: &ShopState, now: Timestamp) {
    let due: Vec<u64> = {
        let mut fetching = lock(&state.fetching);
        fetching.extract_if(.., |(at, _)| *at <= now).map(|(_, id)| id).collect()
    };
    if due.is_empty() {
        return;
    }
    let ((), _) = state.write(|shop, index| {
        for id in due {
            let file = shop.files.get_mut(&id).map(Arc::make_mut);
            let product = index.media.get(&id).and_then(|product| shop.products.get_mut(product));
            let media =
                product.and_then(|product| Arc::make_mut(product).media.iter_mut().find(|one| one.id == id));
            if let Some(media) = media.or(file) {
                media.status =
                    if readable(&media.content) { MediaStatus::Ready } else { MediaStatus::Failed };
                media.updated_at = now;
            }
        }
    });
}

fn readable(content: &MediaContent) -> bool {
    let MediaContent::Image { url, .. } = content else { return true };
    let path = url.split('?').next().unwrap_or_default().to_lowercase();
    [".jpg", ".jpeg", ".png", ".gif", ".webp", ".heic"].iter().any(|end| path.ends_with(end))
}

impl Desk<'_> {
    /// Takes in a file from an address.
    fn fetch(
        &mut self,
        source: &str,
        alt: &Value,
        kind: Option<&str>,
    ) -> Result<Media, (String, &'static str)> {
        let address = url::Url::parse(source).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if address.is_none() {
            return Err(("Image URL is invalid".to_owned(), "INVALID_IMAGE_SOURCE_URL"));
        }
        if alt.as_str().is_some_and(|alt| alt.chars().count() > 512) {
            return Err((
                "Alt value exceeds the limit of 512 characters".to_owned(),
                "ALT_VALUE_LIMIT_EXCEEDED",
            ));
        }
        let external = ["youtube.com", "youtu.be", "vimeo.com"].iter().any(|host| source.contains(host));
        let content = if kind == Some("EXTERNAL_VIDEO") || external {
            let host = if source.contains("vimeo") { "VIMEO" } else { "YOUTUBE" };
            MediaContent::ExternalVideo {
                host: host.to_owned(),
                embed_url: source.to_owned(),
                origin_url: source.to_owned(),
            }
        } else {
            MediaContent::Image {
                url: source.to_owned(),
                width: 1_200,
                height: 1_200,
                mime_type: "image/jpeg".to_owned(),
                file_size: 100_000,
            }
        };
        let id = self.shop.take_id();
        let ready_at = self.now.saturating_add(SignedDuration::from_secs(FETCHING)).unwrap_or(self.now);
        lock(&self.state.fetching).push((ready_at, id));
        Ok(Media {
            id,
            alt: alt.as_str().filter(|alt| !alt.is_empty()).map(str::to_owned),
            status: MediaStatus::Uploaded,
            content,
            created_at: self.now,
            updated_at: self.now,
        })
    }

    /// The media that `productCreate` and `productUpdate` add.
    pub(super) fn media_of(
        &mut self,
        input: &Value,
        path: &str,
    ) -> Result<(Vec<Media>, Vec<Problem>), FieldError> {
        at_most(input, LARGEST_LIST, "media")?;
        let (mut made, mut problems) = (Vec::new(), Vec::new());
        for (place, one) in list(input).into_iter().enumerate() {
            let kind = one["mediaContentType"].as_str();
            if !matches!(kind, Some("IMAGE" | "EXTERNAL_VIDEO")) {
                return Err(FieldError::NotSimulatedInput("CreateMediaInput.mediaContentType".to_owned()));
            }
            match self.fetch(one["originalSource"].as_str().unwrap_or_default(), &one["alt"], kind) {
                Ok(media) => made.push(media),
                Err((message, code)) => problems.push(Problem::at(&format!("{path}.{place}"), message, code)),
            }
        }
        Ok((made, problems))
    }

    /// The files of a `productSet`: the whole list, in order; what it does not name leaves the product.
    pub(super) fn files_set(
        &mut self,
        product: &mut Product,
        input: &Value,
        path: &str,
    ) -> Result<Vec<Problem>, FieldError> {
        at_most(input, LARGEST_LIST, "files")?;
        let own = std::mem::take(&mut product.media);
        let mut problems = Vec::new();
        for (place, one) in list(input).into_iter().enumerate() {
            only(one, "FileSetInput", &KNOWN)?;
            let at = |field: &str| format!("{path}.{place}.{field}");
            let alt = one.get("alt").map(|alt| alt.as_str().filter(|alt| !alt.is_empty()).map(str::to_owned));
            match (one["id"].as_str(), one["originalSource"].as_str()) {
                (Some(text), _) => {
                    let id = gid::parse(text).map(|parsed| parsed.id).unwrap_or_default();
                    let known = own.iter().find(|media| media.id == id).cloned();
                    let known = known.or_else(|| self.shop.files.get(&id).map(|file| file.as_ref().clone()));
                    match known {
                        Some(media) => {
                            let alt = alt.unwrap_or_else(|| media.alt.clone());
                            product.media.push(Media { alt, ..media });
                        }
                        None => problems.push(Problem::at(&at("id"), "File does not exist", "INVALID_INPUT")),
                    }
                }
                (None, Some(source)) => match self.fetch(source, &one["alt"], one["contentType"].as_str()) {
                    Ok(media) => product.media.push(media),
                    Err((message, _)) => {
                        problems.push(Problem::at(&at("originalSource"), message, "INVALID_INPUT"))
                    }
                },
                (None, None) => {
                    let message = "One of id and originalSource is required";
                    problems.push(Problem::at(&format!("{path}.{place}"), message, "INVALID_INPUT"));
                }
            }
        }
        let kept = |id: &u64| product.media.iter().any(|media| media.id == *id);
        for variant in &mut product.variants {
            variant.media_ids.retain(kept);
        }
        Ok(problems)
    }

    /// The file of a variant, which must be among the files of its product.
    pub(super) fn variant_file(
        &self,
        product: &Product,
        variant: &mut Variant,
        input: &Value,
        path: &str,
    ) -> Result<Option<Problem>, FieldError> {
        if input.is_null() {
            return Ok(None);
        }
        only(input, "FileSetInput", &KNOWN)?;
        let id = input["id"].as_str().and_then(gid::parse).map(|parsed| parsed.id);
        let source = input["originalSource"].as_str();
        let fits = |media: &&Media| match (&media.content, source) {
            _ if id.is_some() => Some(media.id) == id,
            (MediaContent::Image { url, .. }, Some(source)) => url == source,
            _ => false,
        };
        match product.media.iter().find(fits) {
            Some(media) => {
                variant.media_ids = vec![media.id];
                Ok(None)
            }
            None => {
                let message = "The file of a variant must be among the files of its product.";
                Ok(Some(Problem::at(&format!("{path}.file"), message, "INVALID_VARIANT")))
            }
        }
    }
}

/// `fileCreate`: files that belong to no product yet; all of them or none.
pub(super) fn create(desk: &mut Desk<'_>, args: &Args) -> Written {
    let input = arg(args, "files");
    at_most(input, LARGEST_LIST, "files")?;
    let (mut made, mut problems) = (Vec::new(), Vec::new());
    for (place, one) in list(input).into_iter().enumerate() {
        only(one, "FileCreateInput", &KNOWN)?;
        if !matches!(one["contentType"].as_str(), None | Some("IMAGE" | "EXTERNAL_VIDEO")) {
            return Err(FieldError::NotSimulatedInput("FileCreateInput.contentType".to_owned()));
        }
        match desk.fetch(
            one["originalSource"].as_str().unwrap_or_default(),
            &one["alt"],
            one["contentType"].as_str(),
        ) {
            Ok(media) => made.push(media),
            Err((message, code)) => problems.push(Problem::at(&format!("files.{place}"), message, code)),
        }
    }
    let files = if problems.is_empty() {
        let shown = made.iter().map(|media| Out::node(media.content.type_name(), media.id)).collect();
        desk.shop.files.extend(made.into_iter().map(|media| (media.id, Arc::new(media))));
        Out::List(shown)
    } else {
        Out::Null
    };
    Ok(Outcome::new("FileCreatePayload").with("files", files).errors("FilesUserError", &problems))
}
