"""Train on what `judgegen export … --to trl-dpo --split 0.8` wrote: `pip install trl`, then `python train.py`."""

from datasets import load_dataset
from trl import DPOConfig, DPOTrainer

FILES = {"train": "trl-dpo.train.jsonl", "test": "trl-dpo.test.jsonl"}


def main() -> None:
    """A small model, one pass over the pairs."""
    pairs = load_dataset("json", data_files=FILES)
    trainer = DPOTrainer(
        model="Qwen/Qwen3-0.6B",
        args=DPOConfig(output_dir="trained", num_train_epochs=1),
        train_dataset=pairs["train"],
        eval_dataset=pairs["test"],
    )
    trainer.train()


if __name__ == "__main__":
    main()
