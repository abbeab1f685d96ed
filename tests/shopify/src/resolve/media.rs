//! Media.

use super::{Answer, FieldError, Obj, Res};
use crate::gid::gid;
use crate::graphql::connection::Connection;
use crate::graphql::selection::Field;
use crate::model::{Media, MediaContent, MediaStatus, Product};

/// The media of a product in order.
pub(super) fn media_list<'a>(product: &'a Product, field: &Field<'_>) -> Res<'a> {
    let query = field.text("query").unwrap_or_default();
    let kind = crate::graphql::search::Filter::parse(query);
    let kind = kind.first_value("media_type").map(str::to_uppercase);
    let chosen = product
        .media
        .iter()
        .filter(|media| kind.as_deref().is_none_or(|k| media.content.content_type() == k));
    let nodes = chosen.map(|media| (media.id, Obj::Media(media)));
    let reverse = field.flag("reverse");
    let connection = match field.text("sortKey") {
        Some("ID") => Connection::by_number(
            nodes.map(|(id, media)| (i64::try_from(id).unwrap_or_default(), id, media)),
            reverse,
        ),
        _ => Connection::in_order(nodes, reverse),
    };
    Res::Connection(Box::new(connection))
}

/// The `Image` of a media; null until it is ready, and for anything but images and their previews.
pub(super) fn image(media: &Media) -> Res<'_> {
    image_fields(media, "ImageSource").map_or(Res::Null, |fields| Res::plain("Image", fields))
}

/// The fields of that `Image`, its global id being of the type given.
pub(super) fn image_fields<'a>(media: &'a Media, id_type: &str) -> Option<Vec<(&'static str, Res<'a>)>> {
    let MediaContent::Image { url, width, height, .. } = &media.content else { return None };
    if media.status != MediaStatus::Ready {
        return None;
    }
    Some(vec![
        ("id", Res::owned(gid(id_type, media.id))),
        ("url", Res::text(url)),
        ("src", Res::text(url)),
        ("originalSrc", Res::text(url)),
        ("transformedSrc", Res::text(url)),
        ("altText", Res::maybe(media.alt.as_deref())),
        ("width", Res::Int(i64::from(*width))),
        ("height", Res::Int(i64::from(*height))),
        ("thumbhash", Res::Null),
    ])
}

fn size<'a>(bytes: u64) -> Res<'a> {
    Res::Int(i64::try_from(bytes).unwrap_or(i64::from(i32::MAX)))
}

pub(super) fn media<'a>(media: &'a Media, field: &Field<'_>) -> Answer<'a> {
    match field.name {
        "alt" => return Ok(Res::maybe(media.alt.as_deref())),
        "status" | "fileStatus" => return Ok(Res::text(media.status.as_str())),
        "mediaContentType" => return Ok(Res::text(media.content.content_type())),
        "createdAt" => return Ok(Res::time(media.created_at)),
        "updatedAt" => return Ok(Res::time(media.updated_at)),
        "mediaErrors" | "fileErrors" => return Ok(Res::List(problems(media, field.inner))),
        "mediaWarnings" => return Ok(Res::List(Vec::new())),
        "metafield" => return Ok(Res::Null),
        "metafields" => return Ok(Res::Connection(Box::new(Connection { nodes: Vec::new() }))),
        "preview" => {
            let fields = vec![("image", image(media)), ("status", Res::text(media.status.as_str()))];
            return Ok(Res::plain("MediaPreviewImage", fields));
        }
        _ => {}
    }
    Ok(match (&media.content, field.name) {
        (MediaContent::Image { .. }, "image") => image(media),
        (MediaContent::Image { mime_type, .. }, "mimeType") => Res::text(mime_type),
        (MediaContent::Image { url, file_size, .. }, "originalSource") => {
            let url = if media.status == MediaStatus::Ready { Res::text(url) } else { Res::Null };
            Res::plain("MediaImageOriginalSource", vec![("url", url), ("fileSize", size(*file_size))])
        }
        (MediaContent::Video { filename, .. } | MediaContent::Model3d { filename, .. }, "filename") => {
            Res::text(filename)
        }
        (MediaContent::Video { duration, .. }, "duration") => size(*duration),
        (
            MediaContent::Video { url, mime_type, format, width, height, file_size, .. },
            "originalSource" | "sources",
        ) => {
            let source = Res::plain(
                "VideoSource",
                vec![
                    ("url", Res::text(url)),
                    ("mimeType", Res::text(mime_type)),
                    ("format", Res::text(format)),
                    ("width", Res::Int(i64::from(*width))),
                    ("height", Res::Int(i64::from(*height))),
                    ("fileSize", size(*file_size)),
                ],
            );
            if field.name == "sources" { Res::List(vec![source]) } else { source }
        }
        (MediaContent::ExternalVideo { host, .. }, "host") => Res::text(host),
        (MediaContent::ExternalVideo { embed_url, .. }, "embedUrl" | "embeddedUrl") => Res::text(embed_url),
        (MediaContent::ExternalVideo { origin_url, .. }, "originUrl") => Res::text(origin_url),
        (MediaContent::Model3d { url, mime_type, format, file_size, .. }, "originalSource" | "sources") => {
            let source = Res::plain(
                "Model3dSource",
                vec![
                    ("url", Res::text(url)),
                    ("mimeType", Res::text(mime_type)),
                    ("format", Res::text(format)),
                    ("filesize", size(*file_size)),
                ],
            );
            if field.name == "sources" { Res::List(vec![source]) } else { source }
        }
        (MediaContent::Model3d { .. }, "boundingBox") => Res::Null,
        _ => return Err(FieldError::NotSimulated),
    })
}

/// A media that failed says why.
fn problems<'a>(media: &Media, type_name: &str) -> Vec<Res<'a>> {
    if media.status != MediaStatus::Failed {
        return Vec::new();
    }
    let type_name = if type_name == "FileError" { "FileError" } else { "MediaError" };
    let fields = vec![
        ("code", Res::text("INVALID_IMAGE_FILE")),
        ("details", Res::Null),
        ("message", Res::text("The file could not be read.")),
    ];
    vec![Res::plain(type_name, fields)]
}
