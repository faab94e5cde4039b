(* What the kernel computes in place of the numbers of the rules is at least as much.

   Lemmas K5, K6 and K8 of docs/certificates.md, where they pass to coarser bounds: one `span` for
   all pairs of positions; a gap less 1 for an error that moves scores by at most 1; errors counted
   in units of the largest leak so far; twice the largest `|U_t| error` for the pair of two tokens.

   In Python: `Position.leaks`, `add_heads`, `add_units` and `decide` in verify/kernel/proof.py. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products stated rules units weights heads.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section ComputedBounds.
Variable F : realDomainType.

Lemma sizes_ge0 m d (W : 'M[F]_(m, d)) (error : 'cV_d) :
  (forall c, 0 <= error c 0) -> forall i, 0 <= (sizes W *m error) i 0.
Proof. by move=> ge0 i; rewrite mxE sumr_ge0 // => c _; rewrite mxE mulr_ge0. Qed.

(* `grown(grown(error, query), span)`. *)
Lemma shaken_by_span N R d n (held : 'I_n.+1 -> token N R -> 'cV[F]_d) any
    (st : state F N R d n) (h : head F d) (span : 'cV_(d_qk h)) p q :
  (forall c, 0 <= error st c 0) ->
  (forall i, `|key_at held any h p i 0 - key_at held any h q i 0| <= span i 0) ->
  shaken held any st h p q <= \sum_i (sizes (query h) *m error st) i 0 * span i 0.
Proof.
by move=> ge0 spans; apply: ler_sum => i _; rewrite ler_wpmul2l ?sizes_ge0.
Qed.

(* `gap - (shaken > 0)`. *)
Lemma gap_less_one (gap : nat) (moved apart : F) :
  (0 < gap)%N -> gap%:R <= apart -> moved <= 1 -> gap.-1%:R + moved <= apart.
Proof.
case: gap => // gap _; rewrite -[X in X%:R <= _]addn1 natrD => above small.
by apply: le_trans above; rewrite ler_add2l.
Qed.

(* `self.leak` grows to the largest, and `error` counts in units of it. *)
Lemma units_of_leak (leak lambda largest error moved : F) :
  leak <= largest -> lambda <= largest -> 0 <= error -> 0 <= moved ->
  leak * error + lambda * moved <= largest * (error + moved).
Proof. by move=> le_leak le_lambda *; rewrite mulrDr ler_add // ler_wpmul2r. Qed.

Lemma mlp_error_in_units d m (W : mlp F d m) (leak : F) (error : 'cV_m) :
  mlp_error W (leak *: error) = leak *: mlp_error W error.
Proof.
elim: W error => [{}m W|{}m h W rest IH] error /=; first by rewrite scalemxAr.
by rewrite -scalemxAr IH.
Qed.

(* `most`, and the margin `least - most`. *)
Lemma margin_by_sizes d (U U' : 'rV[F]_d) (error : 'cV_d) (half least apart : F) :
  (forall c, 0 <= error c 0) -> least <= apart ->
  (sizes U *m error) 0 0 <= half -> (sizes U' *m error) 0 0 <= half ->
  least - (half + half) <= apart - (sizes (U - U') *m error) 0 0.
Proof.
move=> ge0 le_apart small small'; rewrite ler_sub //; apply: le_trans (ler_add small small').
rewrite !mxE -big_split; apply: ler_sum => c _; rewrite !mxE /= -mulrDl.
by rewrite ler_wpmul2r // ler_norm_sub.
Qed.

End ComputedBounds.
