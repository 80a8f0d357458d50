/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Everything that is asked of a bundle, in the order in which it is asked. The name of a check
 * is what scripts and people know it by, and never changes its meaning; netext-bundle(5) has
 * an entry for each.
 */

/* What a request fails with; Apple's numbers (OSSystemExtensionError). */
enum bundle_code {
        BUNDLE_CODE_MISSING_CAPABILITY = 2,
        BUNDLE_CODE_MISSING_IDENTIFIER = 5,
        BUNDLE_CODE_UNKNOWN_CATEGORY = 7,
        BUNDLE_CODE_SIGNATURE_INVALID = 8,
        BUNDLE_CODE_VALIDATION_FAILED = 9,
};

#define _VALIDATION BUNDLE_CODE_VALIDATION_FAILED
#define _SIGNATURE  BUNDLE_CODE_SIGNATURE_INVALID

/* CHECK(NAME, "its name", code, "what is so where it passed") */
#define BUNDLE_CHECKS(CHECK)                                                                       \
        /* an archive while it is unpacked, a folder while it is copied */                         \
        CHECK(SOURCE_READABLE, "source.readable", _VALIDATION, "the source can be read")           \
        CHECK(SOURCE_ROOM, "source.room", _VALIDATION, "there is room for a copy")                 \
        CHECK(ARCHIVE_FORM, "archive.form", _VALIDATION, "a whole tar archive")                    \
        CHECK(ARCHIVE_PATH, "archive.path", _VALIDATION, "all entries stay in the bundle")         \
        CHECK(ARCHIVE_TYPE, "archive.type", _VALIDATION, "only files and folders")                 \
        CHECK(ARCHIVE_MODE, "archive.mode", _VALIDATION, "no set-uid, set-gid and sticky bits")    \
        CHECK(ARCHIVE_DUPLICATE, "archive.duplicate", _VALIDATION, "no path twice")                \
        CHECK(ARCHIVE_COUNT, "archive.count", _VALIDATION, "not too many entries")                 \
        CHECK(ARCHIVE_SIZE, "archive.size", _VALIDATION, "not too large")                          \
        CHECK(ARCHIVE_RATIO, "archive.ratio", _VALIDATION, "unpacks to a reasonable size")         \
        /* the folder, whatever is in its files */                                                 \
        CHECK(FOLDER_READABLE, "folder.readable", _VALIDATION, "everything can be read")           \
        CHECK(FOLDER_COUNT, "folder.count", _VALIDATION, "not too many files")                     \
        CHECK(FOLDER_SIZE, "folder.size", _VALIDATION, "not too large")                            \
        CHECK(FOLDER_DEPTH, "folder.depth", _VALIDATION, "not nested too deep")                    \
        CHECK(FILE_TYPE, "file.type", _VALIDATION, "only files and folders")                       \
        CHECK(FILE_LINKS, "file.links", _VALIDATION, "each file has one name")                     \
        CHECK(FILE_MODE, "file.mode", _VALIDATION, "no set-uid, set-gid and sticky bits")          \
        CHECK(FILE_NAME, "file.name", _VALIDATION, "names are printable UTF-8")                    \
        CHECK(FILE_PATH, "file.path", _VALIDATION, "no path is too long")                          \
        CHECK(FILE_CASE, "file.case", _VALIDATION, "no names that only case tells apart")          \
        /* who signed */                                                                           \
        CHECK(SIGNATURE_MISSING, "signature.missing", _SIGNATURE, "there is a signature")          \
        CHECK(SIGNATURE_FORM, "signature.form", _SIGNATURE, "it is CMS SignedData")                \
        CHECK(SIGNATURE_SIGNER, "signature.signer", _SIGNATURE,                                    \
              "it has one signer, whose certificate is there")                                     \
        CHECK(SIGNATURE_ALGORITHM, "signature.algorithm", _SIGNATURE,                              \
              "key and digests are strong enough")                                                 \
        CHECK(SIGNATURE_CONTENT, "signature.content", _SIGNATURE, "it signs the digest list")      \
        CHECK(SIGNATURE_TIME, "signature.time", _SIGNATURE, "it says when it was made")            \
        CHECK(SIGNATURE_PURPOSE, "signature.purpose", _SIGNATURE, "the certificate may sign code") \
        CHECK(SIGNATURE_TEAM, "signature.team", _SIGNATURE, "the certificate names one team")      \
        CHECK(SIGNATURE_EXPIRED, "signature.expired", _SIGNATURE,                                  \
              "the certificates were valid when it was signed")                                    \
        CHECK(SIGNATURE_CHAIN, "signature.chain", _SIGNATURE,                                      \
              "the certificate leads to a root that is trusted here")                              \
        CHECK(SIGNATURE_REVOKED, "signature.revoked", _SIGNATURE, "nothing of it was revoked")     \
        CHECK(TRUST_ROOT, "trust.root", _SIGNATURE, "the trusted roots can be read")               \
        CHECK(TRUST_REVOCATIONS, "trust.revocations", _SIGNATURE,                                  \
              "the revocation lists can be read, and are recent")                                  \
        /* what was signed */                                                                      \
        CHECK(FILES_MISSING, "files.missing", _SIGNATURE, "there is a digest list")                \
        CHECK(FILES_FORM, "files.form", _SIGNATURE, "each of its lines can be read")               \
        CHECK(FILES_PATH, "files.path", _SIGNATURE, "all its paths stay in the bundle")            \
        CHECK(FILES_ORDER, "files.order", _SIGNATURE, "it is sorted, and no path there twice")     \
        CHECK(FILE_MISSING, "file.missing", _SIGNATURE, "every listed file is there")              \
        CHECK(FILE_UNLISTED, "file.unlisted", _SIGNATURE, "every file is listed")                  \
        CHECK(FILE_SIZE, "file.size", _SIGNATURE, "files have the listed sizes")                   \
        CHECK(FILE_DIGEST, "file.digest", _SIGNATURE, "files have the listed digests")             \
        CHECK(FILE_EXECUTABLE, "file.executable", _SIGNATURE,                                      \
              "programs are executable, and nothing else is")                                      \
        /* what it says that it is */                                                              \
        CHECK(MANIFEST_MISSING, "manifest.missing", _VALIDATION, "there is a manifest")            \
        CHECK(MANIFEST_SIZE, "manifest.size", _VALIDATION, "it is not too large")                  \
        CHECK(MANIFEST_SYNTAX, "manifest.syntax", _VALIDATION, "it is a JSON object")              \
        CHECK(MANIFEST_KEY, "manifest.key", _VALIDATION, "all its keys are known")                 \
        CHECK(MANIFEST_TYPE, "manifest.type", _VALIDATION, "values have the right types")          \
        CHECK(MANIFEST_TEXT, "manifest.text", _VALIDATION, "texts are printable and short")        \
        /* before all that a later netext may mend */                                              \
        CHECK(REQUIRES_NETEXT_FORM, "manifest.requires_netext.form", _VALIDATION,                  \
              "it is numbers with dots")                                                           \
        CHECK(REQUIRES_NETEXT_LATER, "manifest.requires_netext.later", _VALIDATION,                \
              "this netext is new enough for it")                                                  \
        CHECK(IDENTIFIER_MISSING, "manifest.identifier.missing", BUNDLE_CODE_MISSING_IDENTIFIER,   \
              "there is an identifier")                                                            \
        CHECK(IDENTIFIER_FORM, "manifest.identifier.form", _VALIDATION, "it is a reversed domain") \
        CHECK(VERSION_MISSING, "manifest.version.missing", _VALIDATION, "there is a version")      \
        CHECK(VERSION_FORM, "manifest.version.form", _VALIDATION, "it is numbers with dots")       \
        CHECK(SHORT_VERSION_MISSING, "manifest.short_version.missing", _VALIDATION,                \
              "there is a short version")                                                          \
        CHECK(SHORT_VERSION_FORM, "manifest.short_version.form", _VALIDATION,                      \
              "it is numbers with dots")                                                           \
        CHECK(TEAM_MISSING, "manifest.team.missing", _VALIDATION, "there is a team")               \
        CHECK(TEAM_FORM, "manifest.team.form", _VALIDATION, "it is letters, digits, dashes")       \
        CHECK(TEAM_SIGNER, "manifest.team.signer", _SIGNATURE, "the signer is of that team")       \
        CHECK(NAME_MISSING, "manifest.name.missing", _VALIDATION, "there is a name")               \
        CHECK(USAGE_MISSING, "manifest.usage_description.missing", _VALIDATION,                    \
              "it says what it is used for")                                                       \
        CHECK(CATEGORY_UNKNOWN, "manifest.category.unknown", BUNDLE_CODE_UNKNOWN_CATEGORY,         \
              "its category is known")                                                             \
        CHECK(CATEGORY_PROVIDERS, "manifest.category.providers", _VALIDATION,                      \
              "its category can have its providers")                                               \
        CHECK(SCOPE_UNKNOWN, "manifest.scope.unknown", _VALIDATION, "its scope is known")          \
        CHECK(SCOPE_SHARED, "manifest.scope.shared", _VALIDATION,                                  \
              "it shares no more than its scope allows")                                           \
        CHECK(PROVIDERS_MISSING, "manifest.providers.missing", _VALIDATION,                        \
              "a network extension has a provider")                                                \
        CHECK(PROVIDERS_UNKNOWN, "manifest.providers.unknown", _VALIDATION,                        \
              "its providers are known")                                                           \
        CHECK(PROVIDERS_DUPLICATE, "manifest.providers.duplicate", _VALIDATION,                    \
              "no provider twice")                                                                 \
        CHECK(CAPABILITIES_UNKNOWN, "manifest.capabilities.unknown", _VALIDATION,                  \
              "its capabilities are known")                                                        \
        CHECK(CAPABILITIES_DUPLICATE, "manifest.capabilities.duplicate", _VALIDATION,              \
              "no capability twice")                                                               \
        CHECK(CAPABILITIES_MISSING, "manifest.capabilities.missing",                               \
              BUNDLE_CODE_MISSING_CAPABILITY, "each provider has its capability")                  \
        CHECK(CAPABILITIES_UNUSED, "manifest.capabilities.unused", _VALIDATION,                    \
              "each capability has a use")                                                         \
        CHECK(ENDPOINTS_COUNT, "manifest.endpoints.count", _VALIDATION, "not too many endpoints")  \
        CHECK(ENDPOINTS_NAME, "manifest.endpoints.name", _VALIDATION, "each endpoint has a name")  \
        CHECK(ENDPOINTS_DUPLICATE, "manifest.endpoints.duplicate", _VALIDATION,                    \
              "no endpoint twice")                                                                 \
        CHECK(ENDPOINTS_PEERS, "manifest.endpoints.peers", _VALIDATION,                            \
              "each endpoint says who may connect")                                                \
        CHECK(ENDPOINTS_ACTIVATION, "manifest.endpoints.activation", _VALIDATION,                  \
              "activation is a command")                                                           \
        CHECK(GROUPS_COUNT, "manifest.groups.count", _VALIDATION, "not too many groups")           \
        CHECK(GROUPS_FORM, "manifest.groups.form", _VALIDATION, "groups have names")               \
        CHECK(GROUPS_DUPLICATE, "manifest.groups.duplicate", _VALIDATION, "no group twice")        \
        CHECK(GRACE_TIME_RANGE, "manifest.grace_time.range", _VALIDATION,                          \
              "the grace time is neither none nor for ever")                                       \
        CHECK(ICON_PATH, "manifest.icon.path", _VALIDATION, "the icon is in the bundle")           \
        CHECK(EXECUTABLE_MISSING, "manifest.executable.missing", _VALIDATION,                      \
              "it says which program it is")                                                       \
        CHECK(EXECUTABLE_PATH, "manifest.executable.path", _VALIDATION,                            \
              "the program is in the bundle")                                                      \
        /* whether it can run, with nothing from elsewhere */                                      \
        CHECK(EXECUTABLE_MODE, "executable.mode", _VALIDATION, "the program is executable")        \
        CHECK(EXECUTABLE_FORM, "executable.form", _VALIDATION, "it is a program, and no script")   \
        CHECK(EXECUTABLE_ARCHITECTURE, "executable.architecture", _VALIDATION,                     \
              "it is for this kind of machine")                                                    \
        CHECK(EXECUTABLE_INTERPRETER, "executable.interpreter", _VALIDATION,                       \
              "its loader is the base system's")                                                   \
        CHECK(LIBRARY_FORM, "library.form", _VALIDATION, "its libraries can be read")              \
        CHECK(LIBRARY_ARCHITECTURE, "library.architecture", _VALIDATION,                           \
              "its libraries are for this kind of machine")                                        \
        CHECK(LIBRARY_SEARCH, "library.search", _VALIDATION,                                       \
              "libraries are searched for in the bundle only")                                     \
        CHECK(LIBRARY_OUTSIDE, "library.outside", _VALIDATION,                                     \
              "every library is in the bundle, or of the base system")

enum bundle_check {
#define CHECK(id, name, code, passed) BUNDLE_CHECK_##id,
        BUNDLE_CHECKS(CHECK)
#undef CHECK
                _BUNDLE_CHECK_MAX,
};

/* "manifest.identifier.missing" */
const char *bundle_check_name(enum bundle_check check);
/* A check, or -EINVAL. */
int bundle_check_from_name(const char *name);
enum bundle_code bundle_check_code(enum bundle_check check);
/* What is so where it passed: "there is an identifier". */
const char *bundle_check_meaning(enum bundle_check check);
