"""One scratch folder a program, so that each is converted once for all TFLite tests."""

import pytest


@pytest.fixture(scope="session")
def cnn_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tflite-cnn")


@pytest.fixture(scope="session")
def text_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tflite-text")
