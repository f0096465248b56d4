"""The trainer that fine-tuning, distillation and quantisation-aware training share."""
