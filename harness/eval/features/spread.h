// Extraction shared out over ranks: each embeds its share_of() the pictures, and all have all rows when it is done.
#pragma once

#include "core/comm/communicator.h"
#include "harness/eval/features/extract.h"

namespace qcface::eval {

/// extract_embeddings() of one rank, bit for bit where the embedder gives a picture the same bits in any batch; the same on
/// every rank. What one rank finds wrong (an embedding that is not finite) is thrown by all of them.
Embeddings extract_on_ranks(Embedder& embedder, const data::PictureSource& pictures,
                            const ExtractOptions& options, Communicator& communicator);

}  // namespace qcface::eval
