"""Reports as text, page, record and data on disk.

text            tables of 80 columns
text_joint      the joint problem
text_compare    a comparison
records         JSON records
record_compare  the record of a comparison
page            one HTML page of a comparison
files           files of one run, moved into place together
folder          a folder that a long run fills
shards          features of a long stream on disk
dataset         a Parquet file a block
"""

from ufm.facade import facade

__all__, __getattr__, __dir__ = facade(
    __name__,
    {
        "dataset": "Dataset check_folder guess_bytes open_dataset",
        "files": "Ended Outputs",
        "page": "report_page",
        "record_compare": "comparison_record",
        "records": (
            "dump_json joint_record number problem_record provenance record row_records "
            "run_record save_joint settings_record"
        ),
        "shards": "open_shards plan_shards shard_rows",
        "text": (
            "law_words print_explanations print_facts print_problem print_rows print_summary print_verdicts shown "
            "small"
        ),
        "text_compare": "print_comparison",
        "text_joint": "print_draws print_joint print_joint_verdict",
    },
)
