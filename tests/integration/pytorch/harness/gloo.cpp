// Both interfaces that gloo has had: stores by reference, and by shared_ptr.
#include <cstdio>
#include <memory>
#include <string>
#include <type_traits>
namespace gloo::rendezvous {
struct Store {
  std::string name = "kept";
};
} // namespace gloo::rendezvous
#include "connect.inc"
using gloo::rendezvous::Store;
struct Device {};
struct ByReference {
  ByReference(const std::string& p, Store& s) : text(p + s.name) {}
  std::string text;
};
struct ByPointer {
  ByPointer(const std::string& p, std::shared_ptr<Store> s) : text(p + s->name) {}
  std::string text;
};
struct OldContext {
  void connectFullMesh(ByReference& store, Device&) { std::puts(("old " + store.text).c_str()); }
};
struct NewContext {
  void connectFullMesh(std::shared_ptr<ByPointer> store, Device&) { std::puts(("new " + store->text).c_str()); }
};
int main() {
  Store store;
  Device device;
  OldContext a;
  NewContext b;
  connectThroughStore<ByReference>(a, "0/", store, device);
  connectThroughStore<ByPointer>(b, "0/", store, device);
  std::puts(store.name.c_str());
}
