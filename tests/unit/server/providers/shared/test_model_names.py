import pytest

from llmsvc_server.providers.shared.model_names import (
    Source,
    ending,
    is_plain,
    looks_remote,
    parse,
    resolve,
    split_source,
)

LLAMA = "registry.ollama.ai/library/llama3.2:latest"


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("llama3.2", LLAMA),
        (" llama3.2 ", LLAMA),
        ("llama3.2:latest", LLAMA),
        ("library/llama3.2", LLAMA),
        ("Library/llama3.2", LLAMA),
        ("registry.ollama.ai/library/llama3.2:latest", LLAMA),
        ("PHI3:Mini", "registry.ollama.ai/library/phi3:mini"),
        ("mike/mistral", "registry.ollama.ai/mike/mistral:latest"),
        ("hf.co/org/Repo-GGUF:Q4_K_M", "hf.co/org/repo-gguf:q4_k_m"),
        ("host:5000/team/m", "host:5000/team/m:latest"),
        ("http://host:5000/team/m", "host:5000/team/m:latest"),
        ("ollama.com/library/phi3:mini", "ollama.com/library/phi3:mini"),
        ("my-cloud-model", "registry.ollama.ai/library/my-cloud-model:latest"),
        ("qwen3:8b:local", "registry.ollama.ai/library/qwen3:8b"),
        ("qwen3:8b: LOCAL", "registry.ollama.ai/library/qwen3:8b"),
        ("m" * 80, f"registry.ollama.ai/library/{'m' * 80}:latest"),
    ],
)
def test_knows_what_model_a_name_means(text: str, identity: str) -> None:
    name = resolve(text)

    assert name is not None
    assert identity == name.identity


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "m:", ":tag", "/m", "a//m", "a/b/c/d", "host:5000/m", "ns.x/m"),
        *("m@sha256:abc", "my model", "-m", "m:v1+q4", "m" * 81, "m:" + "t" * 81, "n/"),
        *("n" * 81 + "/m", "h" * 351 + "/n/m", "http://", "://n/m", "mödel", "m\nn"),
        *("foo:cloud:local", "foo:local:local", "foo:20b-cloud:local"),
    ],
)
def test_takes_no_name_that_the_server_refuses(text: str) -> None:
    assert resolve(text) is None


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("gpt-oss:cloud", "gpt-oss"),
        ("gpt-oss:20b-cloud", "gpt-oss:20b"),
        ("gpt-oss:20B-CLOUD", "gpt-oss:20B"),
        ("gpt-oss:20b:cloud", "gpt-oss:20b"),
        ("gpt-oss:20b-cloud ", "gpt-oss:20b"),
        ("hf.co/o/m:20b-cloud", "hf.co/o/m:20b"),
    ],
)
def test_names_no_model_where_the_vendors_cloud_is_meant(text: str, bare: str) -> None:
    assert (bare, Source.CLOUD) == split_source(text)
    assert resolve(text) is None
    assert looks_remote(text)


@pytest.mark.parametrize(
    "text", ["my-cloud-model", "cloud", "cloud/m", "cloud:7b", "m-cloud", "host:1/x-cloud/m", ""]
)
def test_calls_no_local_name_remote(text: str) -> None:
    assert not looks_remote(text)


@pytest.mark.parametrize("text", ["foo:cloud:local", "foo:local:cloud", "foo:7b-cloud:local"])
def test_calls_a_name_with_two_suffixes_remote_if_one_says_so(text: str) -> None:
    assert looks_remote(text)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [("m:cloud", True), ("m:20B-Cloud", True), ("m:latest", False), ("m-cloud:7b", False)],
)
def test_knows_a_stub_in_a_list_by_its_tag(listed: str, expected: bool) -> None:  # noqa: FBT001  a table's column
    name = parse(listed)

    assert name is not None
    assert expected == name.runs_remotely


@pytest.mark.parametrize(
    "text", ["phi3:mini", "host:5000/team/m", "hf.co/org/Repo-GGUF:Q4_K_M", f"{'h' * 252}/n/m"]
)
def test_calls_a_name_plain_that_is_nothing_but_a_name(text: str) -> None:
    assert is_plain(text)


@pytest.mark.parametrize(
    "text",
    [
        *(" phi3:mini", "phi3:mini ", "phi3:mini\n", "\tphi3:mini", "\x1cphi3:mini", "phi\x003"),
        *("http://host/team/m", "SECRET words\n://registry.ollama.ai/library/phi3:mini"),
        *("\u00a0phi3:mini", "phi3\u202e:mini", f"{'h' * 253}/n/m"),
    ],
)
def test_calls_a_name_plain_only_if_nothing_is_around_it(text: str) -> None:
    assert not is_plain(text)


@pytest.mark.parametrize(
    "text", ["Phi3", "phi3:Mini", "me/phi3", "host.x:80/me/Phi3:q4", "a://h/n/m", "h/n/m:t"]
)
def test_the_ending_of_a_name_is_that_of_its_identity(text: str) -> None:
    name = parse(text)

    assert name is not None
    assert name.identity.rpartition("/")[2] == ending(text) == ending(name.identity)
