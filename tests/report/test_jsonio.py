import json

import pytest
from sample import fidelity, sample_report

from edgekit.report.jsonio import document
from edgekit.types.report import ArtifactReport, ExportReport


def test_document_has_a_schema_and_reads_back():
    text = document(sample_report())
    assert json.loads(text)["schema"] == "edgekit/export-report/1"
    assert ExportReport.model_validate_json(text) == sample_report()


def test_nan_is_refused():
    report = sample_report()
    broken = ArtifactReport(artifact=report.artifacts[0].artifact, fidelity=fidelity(sqnr_db=float("nan")))
    with pytest.raises(ValueError, match="not JSON compliant"):
        document(report.model_copy(update={"artifacts": (broken,)}))
