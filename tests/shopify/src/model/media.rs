//! Media of a product.

use jiff::Timestamp;

/// One media of a product.
#[derive(Clone, Debug, Default)]
pub struct Media {
    /// Numeric id; the type part of the global id follows from `content`.
    pub id: u64,
    /// Alternative text.
    pub alt: Option<String>,
    /// How far Shopify got with it.
    pub status: MediaStatus,
    /// What it is.
    pub content: MediaContent,
    /// Creation time.
    pub created_at: Timestamp,
    /// Last change.
    pub updated_at: Timestamp,
}

/// How far Shopify got with a media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MediaStatus {
    /// Uploaded, not yet looked at.
    Uploaded,
    /// Being converted: images have no `image` yet.
    Processing,
    /// Ready.
    #[default]
    Ready,
    /// Could not be read.
    Failed,
}

impl MediaStatus {
    /// The value of Shopify's enum `MediaStatus`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uploaded => "UPLOADED",
            Self::Processing => "PROCESSING",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
        }
    }
}

/// What a media is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaContent {
    /// `MediaImage`.
    Image {
        /// CDN address.
        url: String,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// For instance `image/jpeg`.
        mime_type: String,
        /// Bytes.
        file_size: u64,
    },
    /// `Video`.
    Video {
        /// Name of the uploaded file.
        filename: String,
        /// CDN address of the original.
        url: String,
        /// For instance `video/mp4`.
        mime_type: String,
        /// For instance `mp4`.
        format: String,
        /// Milliseconds.
        duration: u64,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
        /// Bytes.
        file_size: u64,
    },
    /// `ExternalVideo`.
    ExternalVideo {
        /// `YOUTUBE` or `VIMEO`.
        host: String,
        /// Address to embed.
        embed_url: String,
        /// Address a person opens.
        origin_url: String,
    },
    /// `Model3d`.
    Model3d {
        /// Name of the uploaded file.
        filename: String,
        /// CDN address of the original.
        url: String,
        /// For instance `model/gltf-binary`.
        mime_type: String,
        /// For instance `glb`.
        format: String,
        /// Bytes.
        file_size: u64,
    },
}

impl Default for MediaContent {
    fn default() -> Self {
        Self::Image { url: String::new(), width: 0, height: 0, mime_type: String::new(), file_size: 0 }
    }
}

impl MediaContent {
    /// Name of Shopify's type, which is also the type part of the global id.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Image { .. } => "MediaImage",
            Self::Video { .. } => "Video",
            Self::ExternalVideo { .. } => "ExternalVideo",
            Self::Model3d { .. } => "Model3d",
        }
    }

    /// The value of Shopify's enum `MediaContentType`.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Image { .. } => "IMAGE",
            Self::Video { .. } => "VIDEO",
            Self::ExternalVideo { .. } => "EXTERNAL_VIDEO",
            Self::Model3d { .. } => "MODEL_3D",
        }
    }
}
