// Reads the vectors of tests/data/vectors.
#pragma once

#include <dingcb/encryptor.hpp>

#include <rapidjson/document.h>
#include <rapidjson/error/en.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// One vector; the fields are explained in tests/data/vectors/README.md. What a file does not have is empty or zero.
struct Vector {
  std::string id;
  std::string token;
  std::string aes_key;
  std::string owner_key;
  std::string timestamp;
  std::string nonce;
  std::string msg_signature;
  std::string encrypt;
  std::string plaintext;
  std::string expect;
  std::string failure;
  int code = 0;

  dingcb::Credential credential() const { return {token, aes_key, {owner_key}, id}; }
  dingcb::Push push() const { return {msg_signature, timestamp, nonce, encrypt}; }
};

/// Reads a file of tests/data; throws where it cannot be read.
inline std::string read_data(const std::string& name) {
  std::ifstream file(DINGCB_TEST_DATA_DIR "/" + name, std::ios::binary);
  if (!file) throw std::runtime_error("tests/data/" + name + " cannot be read");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Reads a file of tests/data/vectors; throws where it is not what it should be.
inline std::vector<Vector> read_vectors(const std::string& name) {
  const std::string text = read_data("vectors/" + name);
  rapidjson::Document document;
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(text.data(), text.size());
  if (document.HasParseError()) throw std::runtime_error(name + ": " + GetParseError_En(document.GetParseError()));

  const rapidjson::Document& array = document;
  std::vector<Vector> vectors;
  vectors.reserve(array.Size());
  for (const auto& object : array.GetArray()) {
    const auto string = [&object](const char* key) {
      const auto member = object.FindMember(key);
      if (member == object.MemberEnd() || !member->value.IsString()) return std::string();
      return std::string(member->value.GetString(), member->value.GetStringLength());
    };
    Vector vector;
    vector.id = string("id");
    vector.token = string("token");
    vector.aes_key = string("aes_key");
    vector.owner_key = string("owner_key");
    vector.timestamp = string("timestamp");
    vector.nonce = string("nonce");
    vector.msg_signature = string("msg_signature");
    vector.encrypt = string("encrypt");
    vector.plaintext = string("plaintext");
    vector.expect = string("expect");
    vector.failure = string("failure");
    const auto code = object.FindMember("code");
    if (code != object.MemberEnd() && code->value.IsInt()) vector.code = code->value.GetInt();
    vectors.push_back(std::move(vector));
  }
  return vectors;
}
