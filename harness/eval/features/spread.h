// Extraction shared out over ExtractOptions::ranks: each embeds its share_of() the pictures, and all have all rows when it is done.
// Without ranks, or with one, this process does it alone.
#pragma once

#include "harness/eval/features/extract.h"

namespace qcface::eval {

/// extract_embeddings() of one rank, bit for bit where the embedder gives a picture the same bits in any batch; the same on
/// every rank. What one rank finds wrong (an embedding that is not finite) is thrown by all of them.
Embeddings extract_on_ranks(Embedder& embedder, const data::PictureSource& pictures,
                            const ExtractOptions& options);
/// Likewise extract_rows().
Embeddings extract_rows_on_ranks(Embedder& embedder, const data::PictureSource& pictures,
                                 const ExtractOptions& options);

/// The leader's rows, unfused, on every rank; those of the others are made by empty_embeddings() as the leader's.
void broadcast_rows(Embeddings& rows, const data::PictureSource& pictures, Communicator& communicator);

}  // namespace qcface::eval
